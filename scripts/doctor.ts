// `npm run doctor -- --domain funmagic.ai`: looks at a live installation from outside, as a
// stranger sees it; without a domain, at the local one that `npm start` runs.
import { runDoctor } from './doctor/command.ts'
import { localFolders } from './local/folders.ts'
import { runScript } from './local/refusal.ts'

await runScript(async () => {
  const { local } = localFolders(process.env)
  const write = (text: string) => void process.stdout.write(text)
  process.exitCode = await runDoctor(process.argv.slice(2), { localFolder: local, write })
})
