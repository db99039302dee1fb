import { newId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { ProviderConfig } from '@funmagic/contract/provider-config'
import type { ProviderType } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import { raw, sql, type Sql } from '@funmagic/database/sql'
import { sqlStateOf, type Transaction } from '@funmagic/database/transaction'
import type { Credentials } from './credentials.ts'

/** Users' tasks run at `providers`, the operators' own work at `admin_providers` (V1). */
export type ProviderTable = 'providers' | 'admin_providers'

/** A provider as operators see it: without its key. */
export interface StoredProvider {
  readonly id: string
  readonly name: string
  readonly type: ProviderType
  readonly baseUrl: string | null
  readonly config: ProviderConfig
  readonly apiKeyLast4: string | null
  readonly hasKey: boolean
  /** Null for those that nobody checks. */
  readonly isHealthy: boolean | null
  readonly healthCheckedAt: Date | null
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface ProviderFields {
  readonly name: string
  readonly baseUrl: string | null
  readonly config: ProviderConfig
  /** In the clear; undefined keeps the one that is there. */
  readonly apiKey?: string | undefined
}

function columnsOf(table: ProviderTable): Sql {
  const health =
    table === 'providers'
      ? sql`is_healthy AS "isHealthy", health_checked_at AS "healthCheckedAt"`
      : sql`NULL::boolean AS "isHealthy", NULL::timestamptz AS "healthCheckedAt"`
  return sql`id, name, type, base_url AS "baseUrl", config, api_key_last4 AS "apiKeyLast4",
    api_key IS NOT NULL AS "hasKey", version, created_at AS "createdAt",
    updated_at AS "updatedAt", ${health}`
}

/** Every provider, newest first. */
export async function listProviders(
  database: Queryable,
  table: ProviderTable,
  page: PageRequest,
): Promise<PageOf<StoredProvider>> {
  const { rows } = await database.query<StoredProvider>(sql`
    SELECT ${columnsOf(table)} FROM ${raw(table)}
    WHERE (${page.beforeId ?? null}::uuid IS NULL OR id < ${page.beforeId ?? null}::uuid)
    ORDER BY id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit)
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

/** Throws NOT_FOUND. */
export async function readProvider(
  database: Queryable,
  table: ProviderTable,
  id: string,
): Promise<StoredProvider> {
  const { rows } = await database.query<StoredProvider>(
    sql`SELECT ${columnsOf(table)} FROM ${raw(table)} WHERE id = ${id}::uuid`,
  )
  if (rows[0] === undefined) throw new AppError('NOT_FOUND')
  return rows[0]
}

/**
 * The types of those of these providers that are there. In a transaction they cannot be deleted
 * before its end: a tool that is saved meanwhile names nobody who is gone.
 */
export async function holdProviders(
  tx: Transaction,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ProviderType>> {
  const { rows } = await tx.query<{ id: string; type: ProviderType }>(sql`
    SELECT id, type FROM providers WHERE id = ANY (${[...ids]}::uuid[]) ORDER BY id FOR KEY SHARE
  `)
  return new Map(rows.map(({ id, type }) => [id, type]))
}

/** Throws ALREADY_EXISTS for a name that is taken. */
export async function createProvider(
  tx: Transaction,
  credentials: Credentials,
  { table, ...provider }: ProviderFields & { type: ProviderType; table: ProviderTable },
): Promise<StoredProvider> {
  const id = newId()
  const { sealed, last4 } = sealKey(credentials, { table, id, apiKey: provider.apiKey })
  const { rows } = await tx.query<StoredProvider>(sql`
    INSERT INTO ${raw(table)} (id, name, type, base_url, config, api_key, api_key_last4)
    VALUES (${id}::uuid, ${provider.name}, ${provider.type}::provider_type, ${provider.baseUrl},
      ${JSON.stringify(provider.config)}::jsonb, ${sealed}, ${last4})
    ON CONFLICT (name) DO NOTHING
    RETURNING ${columnsOf(table)}
  `)
  if (rows[0] === undefined) throw new AppError('ALREADY_EXISTS', { details: { field: 'name' } })
  return rows[0]
}

/** Changes the version that was read; throws NOT_FOUND, VERSION_CONFLICT, ALREADY_EXISTS. */
export async function changeProvider(
  tx: Transaction,
  credentials: Credentials,
  wanted: { table: ProviderTable; id: string; version: number; changes: Partial<ProviderFields> },
): Promise<{ before: StoredProvider; after: StoredProvider }> {
  const { table, id, version, changes } = wanted
  const before = await readProvider(tx, table, id)
  const next = { ...before, ...changes }
  const { sealed, last4 } = sealKey(credentials, { table, id, apiKey: changes.apiKey })
  // What is known of the old key says nothing about a new one: it counts as good and is checked.
  const isNewKey = table === 'providers' && changes.apiKey !== undefined
  const health = isNewKey ? sql`, is_healthy = true, health_checked_at = NULL` : sql``
  try {
    const { rows } = await tx.query<StoredProvider>(sql`
      UPDATE ${raw(table)} SET name = ${next.name}, base_url = ${next.baseUrl},
        config = ${JSON.stringify(next.config)}::jsonb, api_key = coalesce(${sealed}, api_key),
        api_key_last4 = coalesce(${last4}, api_key_last4), version = version + 1,
        updated_at = now() ${health}
      WHERE id = ${id}::uuid AND version = ${version}
      RETURNING ${columnsOf(table)}
    `)
    if (rows[0] === undefined) throw new AppError('VERSION_CONFLICT')
    return { before, after: rows[0] }
  } catch (cause) {
    if (sqlStateOf(cause) !== uniqueViolation) throw cause
    throw new AppError('ALREADY_EXISTS', { details: { field: 'name' }, cause })
  }
}

/** Locks the provider for its removal; throws NOT_FOUND. */
export async function lockProvider(
  tx: Transaction,
  table: ProviderTable,
  id: string,
): Promise<StoredProvider> {
  const { rows } = await tx.query<StoredProvider>(
    sql`SELECT ${columnsOf(table)} FROM ${raw(table)} WHERE id = ${id}::uuid FOR UPDATE`,
  )
  if (rows[0] === undefined) throw new AppError('NOT_FOUND')
  return rows[0]
}

/** After lockProvider, when the caller has found nothing that uses it. */
export async function deleteProvider(
  tx: Transaction,
  table: ProviderTable,
  id: string,
): Promise<void> {
  await tx.query(sql`DELETE FROM ${raw(table)} WHERE id = ${id}::uuid`)
}

const uniqueViolation = '23505'

function sealKey(
  credentials: Credentials,
  { table, id, apiKey }: { table: ProviderTable; id: string; apiKey: string | undefined },
): { sealed: string | null; last4: string | null } {
  if (apiKey === undefined) return { sealed: null, last4: null }
  // Binds the sealed key to its row and column, so that it opens nowhere else.
  const sealed = credentials.seal(apiKey, `${table}|${id}|api_key`)
  return { sealed, last4: apiKey.slice(-4) }
}
