import { openDatabase } from '@funmagic/database/client'
import { saveRateLimitDefaults } from '@funmagic/session/rate-limit-settings'
import type { Account, AccountName } from '../local/secrets.ts'
import { plantAccounts } from './accounts.ts'
import { plantPackages } from './packages.ts'
import { plantProviders, type ProviderAccess } from './providers.ts'
import { plantTools } from './tools.ts'

export interface SeedOptions extends ProviderAccess {
  readonly databaseUrl: string
  /** Demo accounts; none outside a development machine. */
  readonly accounts: Readonly<Record<AccountName, Account>> | undefined
  readonly isReplacing?: boolean
}

const poolMax = 2

/** What the system needs to be of use; planting it again changes nothing. */
export async function plantSeeds(options: SeedOptions): Promise<void> {
  const { databaseUrl: url, accounts, isReplacing = false } = options
  await using database = openDatabase({ url, poolMax, applicationName: 'seed' })
  const usableProviders = await plantProviders(database, options)
  await plantTools(database, { usableProviders, isReplacing })
  await plantPackages(database, { isReplacing })
  await saveRateLimitDefaults(database)
  if (accounts !== undefined) await plantAccounts(database, accounts)
}
