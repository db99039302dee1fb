import type { ProviderType } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import type { Credentials } from '@funmagic/provider/credentials'
import { recordHealth, takeDueChecks } from '@funmagic/provider/health'
import { findProvider, readApiKey, type Provider } from '@funmagic/provider/providers'
import { probeKey } from './providers/probe.ts'

export interface CheckHealthDeps {
  readonly database: Database
  readonly credentials: Credentials
  readonly events: HealthEvents
  readonly intervalMs: number
  readonly timeoutMs: number
}

export interface HealthEvents {
  healthChanged(provider: ProviderType, isHealthy: boolean): void
  healthSeen(provider: ProviderType, isHealthy: boolean): void
  healthCheckFailed(error: unknown): void
}

const checksMax = 20

/**
 * Asks every provider once per interval, from one worker alone, whether it accepts our key, so
 * that one which was refused is used again by itself once its key is good (V9).
 */
export async function checkHealth(deps: CheckHealthDeps): Promise<void> {
  try {
    const due = { olderThanMs: deps.intervalMs, limit: checksMax }
    for (const providerId of await takeDueChecks(deps.database, due)) {
      const provider = await findProvider(deps.database, providerId)
      if (provider !== undefined) await check(deps, provider)
    }
  } catch (error) {
    // Postgres is away, or a row is broken: the next run sees.
    deps.events.healthCheckFailed(error)
  }
}

async function check(deps: CheckHealthDeps, provider: Provider): Promise<void> {
  const { database, credentials, events, timeoutMs } = deps
  const { type, baseUrl } = provider
  const apiKey = readApiKey(credentials, provider)
  const answer = await probeKey({ type, apiKey, baseUrl, timeoutMs })
  // What does not answer is the breaker's matter.
  const isHealthy = answer === 'unknown' ? provider.isHealthy : answer === 'accepted'
  const isNews = await recordHealth(database, { provider, isHealthy })
  if (isNews) events.healthChanged(type, isHealthy)
  events.healthSeen(type, isHealthy)
}
