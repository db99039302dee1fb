import { AppError } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { readBreaker } from '@funmagic/provider/breaker'
import { findProvider } from '@funmagic/provider/providers'
import type { Redis } from '@funmagic/runtime/redis'

export interface AvailabilityDeps {
  readonly database: Database
  /** Of the queue, where the workers keep their circuit breakers. */
  readonly redis: Redis
  /** So long a provider may be down until new tasks for it are refused. */
  readonly refuseAfterMs: number
  readonly onError: (error: unknown) => void
}

const retryAfterRefusedKeySeconds = 60

/**
 * Refuses a task before it is paid for while its provider refuses our key, or has been down for
 * longer than a task should be kept waiting. Throws PROVIDER_UNAVAILABLE (V-3, V-8).
 */
export type RequireAvailable = (providerId: string) => Promise<void>

export function createAvailability(deps: AvailabilityDeps): RequireAvailable {
  return async providerId => {
    const provider = await findProvider(deps.database, providerId)
    if (provider?.isHealthy === false) {
      throw new AppError('PROVIDER_UNAVAILABLE', { retryAfterSeconds: retryAfterRefusedKeySeconds })
    }
    const { state, openForMs, retryAfterMs } = await readState(deps, providerId)
    if (state !== 'open' || openForMs < deps.refuseAfterMs) return
    throw new AppError('PROVIDER_UNAVAILABLE', {
      retryAfterSeconds: Math.ceil(retryAfterMs / 1000),
    })
  }
}

/** Without Redis nobody knows; the task may wait, and its deadline bounds that. */
async function readState({ redis, onError }: AvailabilityDeps, providerId: string) {
  try {
    return await readBreaker({ redis, scope: 'web' }, providerId)
  } catch (error) {
    onError(error)
    return { state: 'closed', openForMs: 0, retryAfterMs: 0 } as const
  }
}
