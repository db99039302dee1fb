import { execFile } from 'node:child_process'
import { readFile, readlink, realpath } from 'node:fs/promises'
import { promisify } from 'node:util'

/** A process beyond doubt: numbers are given out again, a number with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startedAt: string
}

const run = promisify(execFile)
const commandTimeoutMs = 5_000
const startTimeField = 19

/** The identity of the process that has this number at the moment, if there is one. */
export async function findIdentity(pid: number): Promise<ProcessIdentity | undefined> {
  const startedAt =
    process.platform === 'linux' ? await startTimeFromProc(pid) : await startTimeFromPs(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  return (await findIdentity(identity.pid))?.startedAt === identity.startedAt
}

/** True when the process works in that folder: Postgres and Redis both change into their data. */
export async function worksIn(pid: number, folder: string): Promise<boolean> {
  const current = await findWorkingFolder(pid)
  return current !== undefined && current === (await realpath(folder))
}

/** Start time in ticks since the boot, together with the boot (proc_pid_stat(5), field 22). */
async function startTimeFromProc(pid: number): Promise<string | undefined> {
  const stat = await readIfThere(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The second field is the name in parentheses, which may itself contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const isZombie = fields[0] === 'Z'
  const boot = await readIfThere('/proc/sys/kernel/random/boot_id')
  return isZombie ? undefined : `${boot?.trim() ?? ''}:${fields[startTimeField] ?? ''}`
}

async function startTimeFromPs(pid: number): Promise<string | undefined> {
  const text = await outputOf('ps', ['-o', 'lstart=', '-p', String(pid)])
  return text === undefined || text.trim() === '' ? undefined : text.trim()
}

async function findWorkingFolder(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    // Gone, or of another user: then it is not one of ours.
    return readlink(`/proc/${pid}/cwd`).catch(() => undefined)
  }
  const text = await outputOf('lsof', ['-a', '-p', String(pid), '-d', 'cwd', '-Fn'])
  return text
    ?.split('\n')
    .find(line => line.startsWith('n'))
    ?.slice(1)
}

async function readIfThere(path: string): Promise<string | undefined> {
  // The process has ended.
  return readFile(path, 'utf8').catch(() => undefined)
}

/** What a command prints, or undefined when it is not there or fails: then nothing is known. */
export async function outputOf(
  command: string,
  parameters: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', ...environment }
  try {
    const { stdout } = await run(command, parameters, { timeout: commandTimeoutMs, env })
    return stdout
  } catch {
    // Not there, or it failed: the caller learns nothing and says so.
    return undefined
  }
}
