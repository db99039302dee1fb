import type { AdminToolTypeView } from '@funmagic/contract/admin-tool'
import { newId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { sql, type Sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'

/** A tool type as operators see it. */
export interface StoredToolType extends Omit<AdminToolTypeView, 'createdAt' | 'updatedAt'> {
  readonly createdAt: Date
  readonly updatedAt: Date
}

export type ToolTypeFields = Omit<StoredToolType, 'id' | 'version' | 'createdAt' | 'updatedAt'>

const columns: Sql = sql`
  id, name, display_name AS "displayName", icon, color, description, is_active AS "isActive",
  version, created_at AS "createdAt", updated_at AS "updatedAt"`

/** Every type, newest first. */
export async function listToolTypes(
  database: Queryable,
  page: PageRequest,
): Promise<PageOf<StoredToolType>> {
  const { rows } = await database.query<StoredToolType>(sql`
    SELECT ${columns} FROM tool_types
    WHERE (${page.beforeId ?? null}::uuid IS NULL OR id < ${page.beforeId ?? null}::uuid)
    ORDER BY id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit)
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

/** Throws NOT_FOUND. */
export async function readToolType(database: Queryable, id: string): Promise<StoredToolType> {
  const { rows } = await database.query<StoredToolType>(
    sql`SELECT ${columns} FROM tool_types WHERE id = ${id}::uuid`,
  )
  if (rows[0] === undefined) throw new AppError('NOT_FOUND')
  return rows[0]
}

/** Throws ALREADY_EXISTS for a name that is taken. */
export async function createToolType(
  tx: Transaction,
  type: ToolTypeFields,
): Promise<StoredToolType> {
  const { rows } = await tx.query<StoredToolType>(sql`
    INSERT INTO tool_types (id, name, display_name, icon, color, description, is_active)
    VALUES (${newId()}::uuid, ${type.name}, ${type.displayName}, ${type.icon}, ${type.color},
      ${type.description}, ${type.isActive})
    ON CONFLICT (name) DO NOTHING
    RETURNING ${columns}
  `)
  if (rows[0] === undefined) throw new AppError('ALREADY_EXISTS', { details: { field: 'name' } })
  return rows[0]
}

/** Changes the version that was read; throws NOT_FOUND, VERSION_CONFLICT. */
export async function changeToolType(
  tx: Transaction,
  wanted: { id: string; version: number },
  changes: Partial<Omit<ToolTypeFields, 'name'>>,
): Promise<{ before: StoredToolType; after: StoredToolType }> {
  const before = await readToolType(tx, wanted.id)
  const next = { ...before, ...changes }
  const { rows } = await tx.query<StoredToolType>(sql`
    UPDATE tool_types SET display_name = ${next.displayName}, icon = ${next.icon},
      color = ${next.color}, description = ${next.description}, is_active = ${next.isActive},
      version = version + 1, updated_at = now()
    WHERE id = ${wanted.id}::uuid AND version = ${wanted.version}
    RETURNING ${columns}
  `)
  if (rows[0] === undefined) throw new AppError('VERSION_CONFLICT')
  return { before, after: rows[0] }
}

/** The type of the name, switched on or not. */
export async function findToolType(
  database: Queryable,
  name: string,
): Promise<StoredToolType | undefined> {
  const { rows } = await database.query<StoredToolType>(
    sql`SELECT ${columns} FROM tool_types WHERE name = ${name}`,
  )
  return rows[0]
}
