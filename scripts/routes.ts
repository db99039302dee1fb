// `npm run routes -- explain --header 'X-Dev-Mode: true' GET /api/tasks`: who serves a request, and
// which rule decides it; `npm run routes -- list`: the rules in the order in which they are tried.
import { runRoutes } from './routes/command.ts'
import { runScript } from './local/refusal.ts'

await runScript(async () => {
  const { output, errors, exitCode } = await runRoutes(process.argv.slice(2))
  process.stdout.write(output)
  process.stderr.write(errors)
  process.exitCode = exitCode
})
