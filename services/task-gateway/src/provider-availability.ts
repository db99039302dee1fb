import { AppError } from '@funmagic/contract/problem'
import { modelsOf, type ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { readBreaker } from '@funmagic/provider/breaker'
import { dailyBudgetMicroUsd, secondsToMidnight } from '@funmagic/provider/budget'
import { canHonour, type StepInput } from '@funmagic/provider/capability'
import { findProvider, type Provider } from '@funmagic/provider/providers'
import type { Redis } from '@funmagic/runtime/redis'
import { remember } from '@funmagic/runtime/remember'
import type { SpendOf } from '@funmagic/task/spend'

export interface AvailabilityDeps {
  readonly database: Database
  /** Of the queue, where the workers keep their circuit breakers. */
  readonly redis: Redis
  readonly spendOf: SpendOf
  /** So long a provider may be down until new tasks for it are refused. */
  readonly refuseAfterMs: number
  readonly onError: (error: unknown) => void
}

export interface StepAvailability {
  readonly isAvailable: boolean
  /** Its first model is not there, and another one does it. */
  readonly isDegraded: boolean
}

export interface AskedStep {
  readonly step: ToolStep
  /** Of its first model, as it was found a moment ago. */
  readonly provider: Provider | undefined
}

export interface Availability {
  /**
   * Refuses a task before it is paid for while every model that could do it is out of reach: its
   * provider refuses our key, has been down for longer than a task should be kept waiting, or has
   * taken what may be spent there in a day. Throws PROVIDER_UNAVAILABLE (V-3, V-8, C7).
   */
  require(asked: AskedStep, input: StepInput): Promise<void>
  /** The same for whoever looks at a tool; a few seconds old at most. */
  look(step: ToolStep): Promise<StepAvailability>
}

const retryAfterRefusedKeySeconds = 60
const rememberedMs = 5_000
const closedRememberedMs = 1_000
const closedMax = 1_000

interface Asking extends AvailabilityDeps {
  /** When the breaker of a provider was last seen closed. */
  readonly closedAtMs: Map<string, number>
}

export function createAvailability(options: AvailabilityDeps): Availability {
  const deps: Asking = { ...options, closedAtMs: new Map() }
  const isThere = remember(id => askProvider(deps, id), { lifeMs: rememberedMs })

  return {
    async require({ step, provider: first }, input) {
      let retryAfterSeconds = Infinity
      for (const [place, { providerId, providerModel }] of modelsOf(step).entries()) {
        const provider = place === 0 ? first : await findProvider(deps.database, providerId)
        if (provider === undefined) continue
        // The first was held against the request already.
        const wanted = { type: step.type, providerModel }
        if (place > 0 && !canHonour(provider.type, wanted, input)) continue
        const seconds = await secondsAway(deps, provider)
        if (seconds === 0) return
        retryAfterSeconds = Math.min(retryAfterSeconds, seconds)
      }
      if (retryAfterSeconds === Infinity) return
      throw new AppError('PROVIDER_UNAVAILABLE', { retryAfterSeconds })
    },

    async look(step) {
      // Six models at most.
      const there = await Promise.all(modelsOf(step).map(({ providerId }) => isThere(providerId)))
      const isAvailable = there.includes(true)
      return { isAvailable, isDegraded: isAvailable && there[0] !== true }
    },
  }
}

async function askProvider(deps: Asking, providerId: string): Promise<boolean> {
  const provider = await findProvider(deps.database, providerId)
  return provider !== undefined && (await secondsAway(deps, provider)) === 0
}

/** For how long nothing should be asked of it; 0 when it is there. */
async function secondsAway(deps: Asking, provider: Provider): Promise<number> {
  if (!provider.isHealthy) return retryAfterRefusedKeySeconds
  const budget = dailyBudgetMicroUsd(provider.config)
  if (budget !== undefined && (await deps.spendOf(provider.id)) >= budget) {
    return secondsToMidnight(Date.now())
  }
  if (wasClosed(deps, provider.id)) return 0
  const { state, openForMs, retryAfterMs } = await readState(deps, provider.id)
  if (state !== 'open' || openForMs < deps.refuseAfterMs) return 0
  return Math.max(1, Math.ceil(retryAfterMs / 1000))
}

/** A breaker that was closed a moment ago cannot have been open for `refuseAfterMs` by now. */
function wasClosed({ closedAtMs, refuseAfterMs }: Asking, providerId: string): boolean {
  const sinceMs = performance.now() - (closedAtMs.get(providerId) ?? -Infinity)
  return sinceMs < Math.min(refuseAfterMs, closedRememberedMs)
}

/** Without Redis nobody knows; the task may wait, and its deadline bounds that. */
async function readState({ redis, closedAtMs, onError }: Asking, providerId: string) {
  try {
    const reading = await readBreaker({ redis, scope: 'web' }, providerId)
    if (closedAtMs.size >= closedMax) closedAtMs.clear()
    if (reading.state === 'closed') closedAtMs.set(providerId, performance.now())
    return reading
  } catch (error) {
    onError(error)
    return { state: 'closed', openForMs: 0, retryAfterMs: 0 } as const
  }
}
