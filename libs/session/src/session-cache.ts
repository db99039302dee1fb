import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { UserId } from '@funmagic/contract/ids'
import { linkCache, type Redis } from './cache-link.ts'
import type { StoredSession } from './session-rows.ts'

// Two keys decide whether a cached session may be believed:
//
//   session:{run}:{token hash}     the session and its user, with the user's epoch when read
//   session-epoch:{run}:{user id}  the user's epoch, or a lease, or a tombstone
//
// An entry counts only while the epoch key holds the same epoch. Everything that revokes raises
// users.session_epoch in Postgres, writes a tombstone before the commit and deletes the key after
// it. The epoch comes back only by a reader who leased the missing key, read Postgres after that,
// and still holds the lease when it publishes; so what it publishes was true when no revocation
// could have finished in between (the leases of "Scaling Memcache at Facebook", NSDI '13, §3.2.1).
//
// {run} is the run_id of the Redis server, which is new at every start: nothing that was restored
// from a snapshot or promoted from a replica is ever found.

/** What Postgres is asked on a miss, and when. */
export interface Reading {
  readonly tokenHash: string
  readonly session: StoredSession
  /** Taken before Postgres was read: the entry's life starts there. */
  readonly readAtMs: number
  /** Reads the user's epoch from Postgres once more, now. */
  readonly readEpoch: () => Promise<number | undefined>
}

export interface SessionCache {
  /** A session that was not revoked before the call; undefined when only Postgres can tell. */
  find(tokenHash: string): Promise<StoredSession | undefined>
  /** Keeps what Postgres said. */
  keep(reading: Reading): Promise<void>
  /** Forgets one entry, after its expiry was postponed. */
  drop(tokenHash: string): Promise<void>
  /** Before a revocation commits: nothing of the user is believed while it lasts. */
  block(userId: UserId): Promise<void>
  /**
   * After a revocation committed: when this returns, no entry from before it is believed
   * anywhere. That takes one command, or while Redis is away the life of an entry.
   */
  forget(userId: UserId): Promise<void>
}

/** The longest that an entry is believed, which is also the longest wait of a revocation. */
export const entryLifeMs = 3_000
const clockSkewMs = 500
const forgetRetryMs = 200
const leaseLifeMs = 2_000
const epochLifeMs = 3_600_000
// Longer than a transaction can last (statement and lock timeouts of libs/database).
const tombstoneLifeMs = 60_000

const publishIfLeased = `
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1`

interface Entry {
  readonly session: StoredSession
  readonly believedUntilMs: number
}

/** Redis in front of the sessions in Postgres. No failure of Redis ever lets anybody in. */
export function createSessionCache(redis: Redis, onError: (error: unknown) => void): SessionCache {
  const link = linkCache(redis, onError)
  let run: Promise<string> | undefined
  redis.on('close', () => {
    run = undefined
  })

  /** Does the work under the keys of the server's run; throws when the server changed meanwhile. */
  async function underOneRun<Answer>(work: (run: string) => Promise<Answer>): Promise<Answer> {
    run ??= readRunId(redis)
    const asked = run
    asked.catch(() => {
      if (run === asked) run = undefined
    })
    const answer = await work(await asked)
    if (run !== asked) throw new Error('the connection to Redis was lost')
    return answer
  }

  async function find(tokenHash: string): Promise<StoredSession | undefined> {
    const found = await link.attempt(() =>
      underOneRun(async runId => {
        const text = await redis.get(entryKey(runId, tokenHash))
        if (text === null) return undefined
        const entry = parseEntry(text)
        if (Date.now() >= entry.believedUntilMs) return undefined
        const epoch = await redis.get(epochKey(runId, entry.session.user.id))
        return epoch === String(entry.session.epoch) ? entry.session : undefined
      }),
    )
    return found
  }

  async function keep(reading: Reading): Promise<void> {
    const { session, tokenHash } = reading
    const entry: Entry = { session, believedUntilMs: reading.readAtMs + entryLifeMs }
    const lease = `lease:${randomUUID()}`
    const leased = await link.attempt(() =>
      underOneRun(async runId => {
        const key = epochKey(runId, session.user.id)
        const [, taken] = await Promise.all([
          redis.set(entryKey(runId, tokenHash), JSON.stringify(entry), 'PX', entryLifeMs),
          redis.set(key, lease, 'PX', leaseLifeMs, 'NX'),
        ])
        return taken === 'OK' ? key : undefined
      }),
    )
    if (leased === undefined) return
    const epoch = await reading.readEpoch()
    if (epoch === undefined) return
    await link.attempt(() => redis.eval(publishIfLeased, 1, leased, lease, epoch, epochLifeMs))
  }

  async function drop(tokenHash: string): Promise<void> {
    await link.attempt(() => underOneRun(runId => redis.del(entryKey(runId, tokenHash))))
  }

  async function block(userId: UserId): Promise<void> {
    await link.attempt(() =>
      underOneRun(runId => redis.set(epochKey(runId, userId), 'revoking', 'PX', tombstoneLifeMs)),
    )
  }

  async function forget(userId: UserId): Promise<void> {
    const giveUpAtMs = performance.now() + entryLifeMs + clockSkewMs
    const deleteEpoch = () => underOneRun(runId => redis.del(epochKey(runId, userId)))
    // Bounded: when the time is up, entries from before the commit have died of age.
    while (performance.now() < giveUpAtMs) {
      try {
        await link.insist(deleteEpoch)
        return
      } catch (error) {
        // Redis is away: another process might still reach it, so the wait is not cut short.
        onError(error)
        await wait(forgetRetryMs)
      }
    }
  }

  return { find, keep, drop, block, forget }
}

async function readRunId(redis: Redis): Promise<string> {
  const runId = /^run_id:(\w+)/m.exec(await redis.info('server'))?.[1]
  if (runId === undefined) throw new Error('Redis does not tell its run_id')
  return runId
}

function entryKey(runId: string, tokenHash: string): string {
  return `session:${runId}:${tokenHash}`
}

function epochKey(runId: string, userId: UserId): string {
  return `session-epoch:${runId}:${userId}`
}

function parseEntry(text: string): Entry {
  // Only this file writes entries; the cast is the parse boundary.
  return JSON.parse(text, reviveDate) as Entry
}

function reviveDate(key: string, value: unknown): unknown {
  return key.endsWith('At') && typeof value === 'string' ? new Date(value) : value
}
