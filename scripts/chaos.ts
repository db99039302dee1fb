// `npm run chaos`: the whole platform under load while processes are killed, stores crash and links
// are cut, and a checker that holds every snapshot of the database against the invariants. Exits
// with 1 for any violation. `--seed 7` repeats a run's decisions, `--seconds 120` is longer. The
// figures are printed and written to .local/chaos.json; see docs/chaos.md.
import { randomInt } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine } from './bench/report.ts'
import { describeResult } from './chaos/result-page.ts'
import { runChaos } from './chaos/run.ts'
import { localFolders } from './local/folders.ts'
import { Refusal, runScript } from './local/refusal.ts'
import { createReport } from './local/report.ts'
import { watchStopRequests } from './local/stop-requests.ts'

const seedMax = 2 ** 31
const interruptedCode = 130

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(randomInt(seedMax)) },
      seconds: { type: 'string', default: '60' },
      users: { type: 'string', default: '6' },
      'faults-per-minute': { type: 'string', default: '24' },
      'settle-seconds': { type: 'string', default: '180' },
    },
  })
  const seed = readNumber('seed', values.seed, { least: 0, most: seedMax })
  const report = createReport(process.stdout, process.env['NO_COLOR'] === undefined)
  report.print(`Seed ${seed}. ${describeMachine()}`)
  const { local } = localFolders(process.env)
  const logsFolder = join(local, 'chaos')
  await rm(logsFolder, { recursive: true, force: true })
  const result = await runChaos({
    seed,
    logsFolder,
    seconds: readNumber('seconds', values.seconds, { least: 5, most: 3_600 }),
    users: readNumber('users', values.users, { least: 1, most: 50 }),
    faultsPerMinute: readNumber('faults-per-minute', values['faults-per-minute'], {
      least: 1,
      most: 120,
    }),
    settleSeconds: readNumber('settle-seconds', values['settle-seconds'], { least: 10, most: 900 }),
    report,
    signal: watchStopRequests(() => process.exit(interruptedCode)),
  })
  const machine = describeMachine()
  report.print(describeResult(result, machine))
  await mkdir(local, { recursive: true })
  const file = join(local, 'chaos.json')
  await writeFile(file, `${JSON.stringify({ machine, ...result }, null, 2)}\n`)
  report.print(`  All figures in ${file}, the logs in ${logsFolder}`)
  process.exitCode = result.isSound ? 0 : 1
})

function readNumber(
  name: string,
  text: string,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Refusal(`--${name} is a whole number from ${least} to ${most}.`)
}
