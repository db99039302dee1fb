import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { UserId } from '@funmagic/contract/ids'
import { linkCache, type CacheLink, type Redis } from './cache-link.ts'
import { followServerRun, type UnderOneRun } from './server-run.ts'
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

const ownersMax = 10_000

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
  const deps: CacheDeps = {
    redis,
    link: linkCache(redis, onError),
    underOneRun: followServerRun(redis),
    owners: new Map(),
    onError,
  }
  return {
    find: tokenHash => find(deps, tokenHash),
    keep: reading => keep(deps, reading),
    drop: tokenHash => drop(deps, tokenHash),
    block: userId => block(deps, userId),
    forget: userId => forget(deps, userId),
  }
}

interface CacheDeps {
  readonly redis: Redis
  readonly link: CacheLink
  readonly underOneRun: UnderOneRun
  /** Whose a token is. It never changes hands, so this needs no expiry, only a bound. */
  readonly owners: Map<string, UserId>
  readonly onError: (error: unknown) => void
}

function find(deps: CacheDeps, tokenHash: string): Promise<StoredSession | undefined> {
  const { redis, owners } = deps
  return deps.link.attempt(() =>
    deps.underOneRun(async runId => {
      // With a known owner one command reads both. The epoch is never older than the entry: it is
      // the later word.
      const owner = owners.get(tokenHash)
      const keys = [entryKey({ runId, tokenHash })]
      if (owner !== undefined) keys.push(epochKey({ runId, userId: owner }))
      const [text = null, ownersEpoch] = await redis.mget(keys)
      if (text === null) return undefined
      const { session, believedUntilMs } = parseEntry(text)
      const { id: userId } = session.user
      const epoch = owner === userId ? ownersEpoch : await redis.get(epochKey({ runId, userId }))
      owners.set(tokenHash, userId)
      forgetOldest(owners)
      const isBelieved = Date.now() < believedUntilMs && epoch === String(session.epoch)
      return isBelieved ? session : undefined
    }),
  )
}

async function keep({ redis, link, underOneRun }: CacheDeps, reading: Reading): Promise<void> {
  const { session, tokenHash } = reading
  const entry: Entry = { session, believedUntilMs: reading.readAtMs + entryLifeMs }
  const lease = `lease:${randomUUID()}`
  const leasedKey = await link.attempt(() =>
    underOneRun(async runId => {
      const key = epochKey({ runId, userId: session.user.id })
      const [, taken] = await Promise.all([
        redis.set(entryKey({ runId, tokenHash }), JSON.stringify(entry), 'PX', entryLifeMs),
        redis.set(key, lease, 'PX', leaseLifeMs, 'NX'),
      ])
      return taken === 'OK' ? key : undefined
    }),
  )
  if (leasedKey === undefined) return
  const epoch = await reading.readEpoch()
  if (epoch === undefined) return
  await link.attempt(() => redis.eval(publishIfLeased, 1, leasedKey, lease, epoch, epochLifeMs))
}

async function drop({ redis, link, underOneRun }: CacheDeps, tokenHash: string): Promise<void> {
  await link.attempt(() => underOneRun(runId => redis.del(entryKey({ runId, tokenHash }))))
}

async function block({ redis, link, underOneRun }: CacheDeps, userId: UserId): Promise<void> {
  await link.attempt(() =>
    underOneRun(runId => redis.set(epochKey({ runId, userId }), 'revoking', 'PX', tombstoneLifeMs)),
  )
}

async function forget(deps: CacheDeps, userId: UserId): Promise<void> {
  const { redis, link, underOneRun } = deps
  const giveUpAtMs = performance.now() + entryLifeMs + clockSkewMs
  const deleteEpoch = () => underOneRun(runId => redis.del(epochKey({ runId, userId })))
  // Bounded: when the time is up, entries from before the commit have died of age.
  while (performance.now() < giveUpAtMs) {
    try {
      await link.insist(deleteEpoch)
      return
    } catch (error) {
      // Redis is away: another process might still reach it, so the wait is not cut short.
      deps.onError(error)
      await wait(forgetRetryMs)
    }
  }
}

function forgetOldest(owners: Map<string, UserId>): void {
  const oldest = owners.keys().next()
  if (owners.size > ownersMax && !oldest.done) owners.delete(oldest.value)
}

function entryKey({ runId, tokenHash }: { runId: string; tokenHash: string }): string {
  return `session:${runId}:${tokenHash}`
}

function epochKey({ runId, userId }: { runId: string; userId: UserId }): string {
  return `session-epoch:${runId}:${userId}`
}

function parseEntry(text: string): Entry {
  // Only this file writes entries; the cast is the parse boundary.
  return JSON.parse(text, reviveDate) as Entry
}

function reviveDate(key: string, value: unknown): unknown {
  return key.endsWith('At') && typeof value === 'string' ? new Date(value) : value
}
