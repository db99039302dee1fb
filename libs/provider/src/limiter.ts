import type { RateLimit } from '@funmagic/contract/provider-config'
import type { Redis } from 'ioredis'
import { acquireScript, coolDownScript, releaseScript, renewScript } from './limiter-scripts.ts'

/** Two services of ours use providers, each within limits of its own (V3). */
export type Scope = 'web' | 'admin'

export interface LimiterOptions {
  /** Of the queue: it evicts nothing, and without it no work arrives. */
  readonly redis: Redis
  readonly scope: Scope
  /** Without a renewal for so long a slot is free again. */
  readonly leaseMs: number
  /** The clock of Redis unless a test tells. */
  readonly now?: () => number
}

/** A task's try: the slot of an earlier attempt is taken over by a later one, never shared. */
export interface Holder {
  readonly providerId: string
  readonly holder: string
  readonly attempt: number
}

export interface Acquisition extends Holder {
  readonly limits: RateLimit
  /** The provider has the call already: it needs a slot and no allowance of the minute. */
  readonly isResumed: boolean
}

/** `slots`, `minute`, `day`: ours is used up; `cooldown`: the provider said so. */
export type DenialReason = 'slots' | 'minute' | 'day' | 'cooldown'

export type Decision =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'superseded' }
  | { readonly kind: 'denied'; readonly reason: DenialReason; readonly retryAfterMs: number }

/** Limits that all workers share. Every method rejects when Redis does not answer. */
export interface Limiter {
  /** Takes a slot and the allowances, or nothing; whoever is refused keeps its place (V6). */
  tryAcquire(acquisition: Acquisition): Promise<Decision>
  /** Keeps the slot, or enters it again. False when a later attempt has it. */
  renew(holder: Holder): Promise<boolean>
  /** Frees this attempt's slot and no other's. */
  release(holder: Holder, outcome: { readonly isSuccess: boolean }): Promise<void>
  /** After a 429: no new calls for so long from any worker, and fewer at once after that. */
  coolDown(providerId: string, durationMs: number): Promise<void>
}

const ceilingMemoryMs = 600_000
const cooldownMaxMs = 3_600_000

/**
 * Concurrency, calls per minute and calls per day at a provider, under the seeds' keys. A minute
 * is paced (GCRA): in 62 seconds never more than the limit, a twentieth of it at once, so that no
 * 60 seconds at the provider hold more, though some calls take two seconds longer to get there.
 */
export function createLimiter({ redis, scope, leaseMs, now }: LimiterOptions): Limiter {
  const run = (script: string, providerId: string, ...rest: (string | number)[]) =>
    redis.eval(script, 0, limiterKey(scope, providerId), now?.() ?? '', ...rest)
  return {
    async tryAcquire({ providerId, holder, attempt, limits, isResumed }) {
      const rest = [JSON.stringify(limits), isResumed ? 1 : 0, leaseMs, Math.random()]
      const answer = await run(acquireScript, providerId, holder, attempt, ...rest)
      // The script returns a word and an integer; the cast is the parse boundary.
      return toDecision(answer as [string, number])
    },
    renew: async ({ providerId, holder, attempt }) =>
      (await run(renewScript, providerId, holder, attempt, leaseMs)) === 1,
    release: async ({ providerId, holder, attempt }, { isSuccess }) => {
      await run(releaseScript, providerId, holder, attempt, isSuccess ? 1 : 0)
    },
    coolDown: async (providerId, durationMs) => {
      const boundedMs = Math.min(Math.max(1, Math.ceil(durationMs)), cooldownMaxMs)
      await run(coolDownScript, providerId, '', 0, boundedMs, ceilingMemoryMs)
    },
  }
}

/** After an operator changed the limits: the next call brings the new ones to all workers. */
export async function forgetLimits(redis: Redis, scope: Scope, providerId: string): Promise<void> {
  await redis.del(`${limiterKey(scope, providerId)}:config`)
}

export function limiterKey(scope: Scope, providerId: string): string {
  return `prl:${scope}:${providerId}`
}

function toDecision([word, retryAfterMs]: [string, number]): Decision {
  switch (word) {
    case 'allowed':
    case 'superseded':
      return { kind: word }
    case 'slots':
    case 'minute':
    case 'day':
    case 'cooldown':
      return { kind: 'denied', reason: word, retryAfterMs }
    default:
      throw new Error(`the limiter said ${word}`)
  }
}
