import { setTimeout as sleep } from 'node:timers/promises'
import { readPostgresPid } from './postgres.ts'
import { findIdentity, isRunning, worksIn, type ProcessIdentity } from './process-identity.ts'
import { readRedisPid } from './redis.ts'
import type { RecordedChild, RunRecord } from './run-record.ts'

const politeMs = 10_000
const forcedMs = 5_000
const pauseMs = 50

/**
 * Ends what an earlier start left when it was killed. Only processes proven ours are touched:
 * those on record with the same start time. Answers their names.
 */
export async function endRecordedOrphans(record: RunRecord): Promise<string[]> {
  const names: string[] = []
  for (const child of record.children.toSorted(byEndingOrder)) {
    if (await isRunning(child)) {
      await end(child, child.name === 'postgres')
      names.push(child.name)
    }
    await record.remove(child.pid)
  }
  return names
}

/** The stores go last, Postgres behind all. */
const lastNames = ['s3', 'redis', 'postgres']

function byEndingOrder(a: RecordedChild, b: RecordedChild): number {
  return lastNames.indexOf(a.name) - lastNames.indexOf(b.name)
}

/**
 * Ends a Postgres or Redis that holds our data without being on record: its own pid file names
 * it, and it works in that folder.
 */
export async function endStoreOrphans(folders: {
  readonly postgres: string | undefined
  readonly redis: string | undefined
}): Promise<string[]> {
  const names: string[] = []
  const { postgres, redis } = folders
  if (
    postgres !== undefined &&
    (await endHolder(postgres, await readPostgresPid(postgres), true))
  ) {
    names.push('postgres')
  }
  if (redis !== undefined && (await endHolder(redis, await readRedisPid(redis), false))) {
    names.push('redis')
  }
  return names
}

async function endHolder(
  folder: string,
  pid: number | undefined,
  isPostgres: boolean,
): Promise<boolean> {
  if (pid === undefined || !(await worksIn(pid, folder))) return false
  const identity = await findIdentity(pid)
  if (identity === undefined) return false
  await end(identity, isPostgres)
  return true
}

/** Postgres: a fast shutdown, then an immediate one; SIGKILL would leave its parts behind. */
async function end(identity: ProcessIdentity, isPostgres: boolean): Promise<void> {
  signal(identity.pid, isPostgres ? 'SIGINT' : 'SIGTERM')
  if (await endsWithin(identity, politeMs)) return
  signal(identity.pid, isPostgres ? 'SIGQUIT' : 'SIGKILL')
  await endsWithin(identity, forcedMs)
}

async function endsWithin(identity: ProcessIdentity, deadlineMs: number): Promise<boolean> {
  const endsAt = performance.now() + deadlineMs
  while (performance.now() < endsAt) {
    if (!(await isRunning(identity))) return true
    await sleep(pauseMs)
  }
  return false
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    const hasEnded = error instanceof Error && 'code' in error && error.code === 'ESRCH'
    if (!hasEnded) throw error
  }
}
