import type { RateLimit } from '@funmagic/contract/provider-config'
import type { ProviderType } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { callCostMicroUsd, dailyBudgetMicroUsd } from '@funmagic/provider/budget'
import type { Credentials } from '@funmagic/provider/credentials'
import { findProvider, openApiKey, type Provider as Row } from '@funmagic/provider/providers'
import type { ObserveExchange } from './providers/exchange.ts'
import type { Provider } from './providers/provider.ts'
import type { ProviderTimeouts } from './providers/account.ts'
import type { Pause } from './providers/poll.ts'
import { openProvider } from './providers/registry.ts'
import { TaskFault } from './verdict.ts'

/** An account at a provider, ready to be spoken with. */
export interface Account {
  readonly id: string
  /** With which key it was opened, as it is stored. */
  readonly sealedApiKey: string | null
  readonly type: ProviderType
  readonly provider: Provider
  readonly limits: RateLimit
  /** It accepted our key when that was last seen. */
  readonly isHealthy: boolean
  /** What a call is set down with, and what a day may take, in millionths of a dollar. */
  readonly callCostMicroUsd: number
  readonly dailyBudgetMicroUsd: number | undefined
  /** The operator's own address of the provider, if it has one. */
  readonly trustedOrigin: string | undefined
}

export interface AccountParts {
  readonly database: Database
  readonly credentials: Credentials
  readonly timeouts: ProviderTimeouts
  /** Where this system is reached from outside; without it no provider is asked to call back. */
  readonly callbackUrl?: string | undefined
  readonly pause?: Pause
  readonly observe: ObserveExchange
}

/** Opens the account of a provider by its id. Throws TaskFault PROVIDER_NOT_CONFIGURED. */
export function openAccounts(parts: AccountParts): (providerId: string) => Promise<Account> {
  return providerId => openAccount(parts, providerId)
}

async function openAccount(parts: AccountParts, providerId: string): Promise<Account> {
  const row = await findProvider(parts.database, providerId)
  if (row === undefined) {
    throw new TaskFault('PROVIDER_NOT_CONFIGURED', `there is no provider ${providerId}`)
  }
  const { id, type, baseUrl, config, sealedApiKey, isHealthy } = row
  const { timeouts, pause, observe } = parts
  const apiKey = await openKey(parts, row)
  const callbackUrl = callbackUrlOf(parts, row)
  const account = { apiKey, baseUrl, timeouts, callbackUrl, observe, ...(pause && { pause }) }
  const provider = openProvider(type, account)
  const trustedOrigin = baseUrl === null ? undefined : new URL(baseUrl).origin
  const limits = config.rateLimit ?? {}
  return {
    id,
    sealedApiKey,
    type,
    provider,
    limits,
    isHealthy,
    callCostMicroUsd: callCostMicroUsd(config),
    dailyBudgetMicroUsd: dailyBudgetMicroUsd(config),
    trustedOrigin,
  }
}

/** A vendor of the real world is told of no address without TLS: it could not reach a laptop. */
function callbackUrlOf({ callbackUrl }: AccountParts, { type, baseUrl }: Row): string | undefined {
  if (callbackUrl === undefined) return undefined
  const url = new URL(`/api/webhooks/providers/${type}`, callbackUrl)
  return url.protocol === 'https:' || baseUrl !== null ? url.href : undefined
}

async function openKey({ database, credentials }: AccountParts, row: Row): Promise<string> {
  try {
    return await openApiKey(database, credentials, row)
  } catch (error) {
    const message = `the key of provider ${row.name} cannot be read`
    throw new TaskFault('PROVIDER_NOT_CONFIGURED', message, { cause: error })
  }
}
