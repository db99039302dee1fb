import type { Database } from '@funmagic/database/client'
import { raw, sql } from '@funmagic/database/sql'
import { CredentialError, type Credentials } from './credentials.ts'

const tables = ['providers', 'admin_providers'] as const

export interface Resealing {
  readonly resealed: number
  readonly alreadyCurrent: number
  /** `table/name` of those that no key opens; they are left as they are. */
  readonly unreadable: readonly string[]
}

/**
 * Seals every provider key that is under the previous SECRET_KEY, or in the older form, under the
 * current one. It writes only what it could open, and only if nobody changed it meanwhile, so it
 * can be repeated, interrupted and run beside everything else; a wrong key changes nothing (E-3).
 */
export async function resealKeys(database: Database, credentials: Credentials): Promise<Resealing> {
  let resealed = 0
  let alreadyCurrent = 0
  const unreadable: string[] = []
  for (const table of tables) {
    type Row = { readonly id: string; readonly name: string; readonly sealed: string }
    const { rows } = await database.query<Row>(sql`
      SELECT id, name, api_key AS sealed FROM ${raw(table)} WHERE api_key IS NOT NULL ORDER BY id
    `)
    for (const { id, name, sealed } of rows) {
      const isResealed = reseal(credentials, sealed, `${table}|${id}|api_key`)
      if (isResealed === 'unreadable') unreadable.push(`${table}/${name}`)
      else if (isResealed === 'current') alreadyCurrent += 1
      else {
        await database.query(sql`
          UPDATE ${raw(table)} SET api_key = ${isResealed.sealed}
          WHERE id = ${id}::uuid AND api_key = ${sealed}
        `)
        resealed += 1
      }
    }
  }
  return { resealed, alreadyCurrent, unreadable }
}

function reseal(
  credentials: Credentials,
  sealed: string,
  context: string,
): 'current' | 'unreadable' | { readonly sealed: string } {
  try {
    const { plain, isCurrent } = credentials.read(sealed, context)
    return isCurrent ? 'current' : { sealed: credentials.seal(plain, context) }
  } catch (error) {
    if (error instanceof CredentialError) return 'unreadable'
    throw error
  }
}
