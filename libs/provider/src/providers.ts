import { Compile } from 'typebox/compile'
import { ProviderConfig } from '@funmagic/contract/provider-config'
import type { ProviderType } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { prepared, sql } from '@funmagic/database/sql'
import type { Credentials } from './credentials.ts'

/** A provider as the worker needs it; the key stays sealed until a call is made. */
export interface Provider {
  readonly id: string
  readonly name: string
  readonly type: ProviderType
  readonly sealedApiKey: string | null
  /** Replaces the vendor's address: a simulator, or a gateway of the operator's. */
  readonly baseUrl: string | null
  readonly isHealthy: boolean
  readonly config: ProviderConfig
}

export interface NewProvider {
  readonly id: string
  readonly name: string
  readonly type: ProviderType
  readonly apiKey: string
  readonly baseUrl: string | null
  readonly config?: ProviderConfig
}

const configForm = Compile(ProviderConfig)

/** The provider of the id. Throws when its row holds a config of another form. */
export async function findProvider(
  database: Database,
  providerId: string,
): Promise<Provider | undefined> {
  const { rows } = await database.query<Omit<Provider, 'config'> & { config: unknown }>(
    prepared(sql`
      SELECT id, name, type, api_key AS "sealedApiKey", base_url AS "baseUrl",
        is_healthy AS "isHealthy", config
      FROM providers WHERE id = ${providerId}
    `),
  )
  const [row] = rows
  if (row === undefined) return undefined
  const { config, ...provider } = row
  if (!configForm.Check(config)) {
    throw new Error(`the config of provider ${provider.name} is not valid`)
  }
  return { ...provider, config }
}

const budgetsMax = 200

/** The providers at which operators bound what a day may cost (C7). */
export async function listBudgets(
  database: Database,
): Promise<Pick<Provider, 'id' | 'name' | 'config'>[]> {
  const { rows } = await database.query<{ id: string; name: string; config: unknown }>(sql`
    SELECT id, name, config FROM providers WHERE config ? 'dailyBudgetUsd' LIMIT ${budgetsMax}
  `)
  return rows.flatMap(({ id, name, config }) =>
    configForm.Check(config) ? [{ id, name, config }] : [],
  )
}

/**
 * Writes a provider under its id, or replaces its name, type, key and address, and its config when
 * one is given: what operators have set stays.
 */
export async function saveProvider(
  database: Database,
  credentials: Credentials,
  provider: NewProvider,
): Promise<void> {
  const sealed = credentials.seal(provider.apiKey, credentialContext(provider.id))
  const config = JSON.stringify(provider.config ?? {})
  await database.query(sql`
    INSERT INTO providers (id, name, type, api_key, api_key_last4, base_url, config)
    VALUES (${provider.id}, ${provider.name}, ${provider.type}::provider_type, ${sealed},
      ${provider.apiKey.slice(-4)}, ${provider.baseUrl}, ${config}::jsonb)
    ON CONFLICT (id) DO UPDATE SET
      name = excluded.name, type = excluded.type, api_key = excluded.api_key,
      api_key_last4 = excluded.api_key_last4,
      base_url = excluded.base_url, updated_at = now(),
      config = CASE WHEN ${provider.config !== undefined} THEN excluded.config
        ELSE providers.config END`)
}

/** The key of a provider in the clear; throws CredentialError, or Error when none is set. */
export function readApiKey(credentials: Credentials, provider: Provider): string {
  if (provider.sealedApiKey === null) throw new Error(`provider ${provider.name} has no key`)
  return credentials.open(provider.sealedApiKey, credentialContext(provider.id))
}

/** Like readApiKey, and seals anew what is under an earlier key or in the older form. */
export async function openApiKey(
  database: Database,
  credentials: Credentials,
  provider: Provider,
): Promise<string> {
  const { id, name, sealedApiKey } = provider
  if (sealedApiKey === null) throw new Error(`provider ${name} has no key`)
  const { plain, isCurrent } = credentials.read(sealedApiKey, credentialContext(id))
  if (isCurrent) return plain
  const sealed = credentials.seal(plain, credentialContext(id))
  await database.query(sql`
    UPDATE providers SET api_key = ${sealed} WHERE id = ${id} AND api_key = ${sealedApiKey}
  `)
  return plain
}

/** Binds a sealed key to its row and column, so that it opens nowhere else. */
function credentialContext(providerId: string): string {
  return `providers|${providerId}|api_key`
}
