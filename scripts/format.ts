// Brings every file into the house form: formatting, then the lint rules that can fix themselves.
import { runTool } from './suite/tool.ts'

for (const command of [
  ['prettier', '--write', '--log-level=warn', '.'],
  ['oxlint', '--type-aware', '--fix'],
]) {
  const { code, output } = await runTool(command)
  process.stdout.write(output)
  if (code !== 0) process.exitCode = 1
}
