// `npm start`: the whole system on this machine, until Ctrl-C. See scripts/local/stack.ts.
import { once } from 'node:events'
import { Refusal, runScript } from './local/refusal.ts'
import { createReport } from './local/report.ts'
import { AlreadyRunning } from './local/run-record.ts'
import { readSettings } from './local/settings.ts'
import { findStackFile, type Addresses } from './local/stack-file.ts'
import { startStack } from './local/stack.ts'
import { watchStopRequests } from './local/stop-requests.ts'

const interruptedCode = 130

await runScript(async () => {
  const settings = readSettings(process.env)
  const report = createReport(process.stdout, settings.isColorWanted)
  const signal = watchStopRequests(() => process.exit(interruptedCode))
  try {
    await using stack = await startStack({ settings, report, signal })
    report.print(describe(stack.addresses))
    if (!signal.aborted) await once(signal, 'abort')
    report.tell('Ending: requests and tasks under way first, the stores last (Ctrl-C again kills)')
  } catch (error) {
    if (error instanceof AlreadyRunning) {
      report.print(await describeRunning(error, settings.folders.local))
    } else if (signal.aborted && !(error instanceof Refusal)) {
      process.exitCode = interruptedCode
    } else {
      throw error
    }
  }
})

async function describeRunning({ pid }: AlreadyRunning, localFolder: string): Promise<string> {
  const addresses = await findStackFile(localFolder)
  const where = addresses === undefined ? 'It is still starting.' : describe(addresses)
  return `FunMagic already runs from this folder, in process ${pid}.\n${where}`
}

function describe(stack: Addresses): string {
  const { user, admin, superAdmin } = stack.accounts
  const accounts = [user, admin, superAdmin]
  const emailWidth = Math.max(...accounts.map(({ email }) => email.length))
  const roles = ['user', 'admin', 'super admin']
  return [
    '',
    `  FunMagic runs at   ${stack.web}`,
    `  API reference      ${stack.edge}/api/docs`,
    `  Public files       ${stack.cdn}`,
    `  Private files      ${stack.privateCdn}`,
    '',
    '  Demo accounts (email, password):',
    ...accounts.map(({ email, password }, index) => {
      return `    ${email.padEnd(emailWidth)}  ${password}  ${roles[index]}`
    }),
    '',
    '  Everything else    .local/stack.json      Logs   .local/logs/',
    '  Ctrl-C ends it; the data stay until `npm run reset`.',
    '',
  ].join('\n')
}
