import type { ToolVersionView } from '@funmagic/contract/admin-tool'
import { newId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { ToolConfig } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import { sql, type Sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'

/** A tool as operators see it. */
export interface StoredTool {
  readonly id: string
  readonly slug: string
  readonly title: string
  readonly description: string | null
  readonly typeName: string
  readonly config: ToolConfig
  readonly creditsCost: number
  readonly isActive: boolean
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export type ToolFields = Omit<
  StoredTool,
  'id' | 'creditsCost' | 'version' | 'createdAt' | 'updatedAt'
>

export interface ToolFilter {
  readonly isActive?: boolean | undefined
  readonly typeName?: string | undefined
}

const columns: Sql = sql`
  t.id, t.slug, t.title, t.description, y.name AS "typeName", t.config,
  t.credits_cost AS "creditsCost", t.is_active AS "isActive", t.version,
  t.created_at AS "createdAt", t.updated_at AS "updatedAt"`

/** Every tool, newest first, also those that are switched off. */
export async function listAllTools(
  database: Queryable,
  filter: ToolFilter,
  page: PageRequest,
): Promise<PageOf<StoredTool>> {
  const { rows } = await database.query<StoredTool>(sql`
    SELECT ${columns} FROM tools t JOIN tool_types y ON y.id = t.tool_type_id
    WHERE (${page.beforeId ?? null}::uuid IS NULL OR t.id < ${page.beforeId ?? null}::uuid)
      AND (${filter.isActive ?? null}::boolean IS NULL OR t.is_active = ${filter.isActive ?? null})
      AND (${filter.typeName ?? null}::text IS NULL OR y.name = ${filter.typeName ?? null})
    ORDER BY t.id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit)
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

/** Throws NOT_FOUND. */
export async function readToolById(database: Queryable, id: string): Promise<StoredTool> {
  const { rows } = await database.query<StoredTool>(sql`
    SELECT ${columns} FROM tools t JOIN tool_types y ON y.id = t.tool_type_id
    WHERE t.id = ${id}::uuid
  `)
  if (rows[0] === undefined) throw new AppError('NOT_FOUND')
  return rows[0]
}

/** Throws ALREADY_EXISTS for a slug that is taken. The config has been checked by the caller. */
export async function createTool(tx: Transaction, tool: ToolFields): Promise<StoredTool> {
  const { rows } = await tx.query<{ id: string }>(sql`
    INSERT INTO tools (id, slug, title, description, tool_type_id, config, credits_cost, is_active)
    SELECT ${newId()}::uuid, ${tool.slug}, ${tool.title}, ${tool.description}, y.id,
      ${JSON.stringify(tool.config)}::jsonb, ${priceOf(tool.config)}, ${tool.isActive}
    FROM tool_types y WHERE y.name = ${tool.typeName}
    ON CONFLICT (slug) DO NOTHING
    RETURNING id
  `)
  if (rows[0] === undefined) throw new AppError('ALREADY_EXISTS', { details: { field: 'slug' } })
  return readToolById(tx, rows[0].id)
}

/** Changes the version that was read and keeps that one; throws NOT_FOUND, VERSION_CONFLICT. */
export async function changeTool(
  tx: Transaction,
  wanted: { id: string; version: number },
  changes: Partial<Omit<ToolFields, 'slug'>>,
): Promise<{ before: StoredTool; after: StoredTool }> {
  const before = await readToolById(tx, wanted.id)
  const next = { ...before, ...changes }
  const changed = await tx.query(sql`
    UPDATE tools SET title = ${next.title}, description = ${next.description},
      tool_type_id = (SELECT id FROM tool_types WHERE name = ${next.typeName}),
      config = ${JSON.stringify(next.config)}::jsonb, credits_cost = ${priceOf(next.config)},
      is_active = ${next.isActive}, version = version + 1, updated_at = now()
    WHERE id = ${wanted.id}::uuid AND version = ${wanted.version}
  `)
  if (changed.rowCount === 0) throw new AppError('VERSION_CONFLICT')
  return { before, after: await readToolById(tx, wanted.id) }
}

/** All that somebody pays who takes every step. */
export function priceOf(config: ToolConfig): number {
  return config.steps.reduce((sum, step) => sum + step.cost, 0)
}

/** The versions of a tool, newest first; `beforeVersion` is where the page before ended. */
export async function listToolVersions(
  database: Queryable,
  toolId: string,
  page: { limit: number; beforeVersion: number | undefined },
): Promise<{ items: ToolVersionView[]; nextVersion: number | null }> {
  const { rows } = await database.query<Omit<ToolVersionView, 'createdAt'> & { createdAt: Date }>(
    sql`
      SELECT version, title, description, config, credits_cost AS "creditsCost",
        is_active AS "isActive", created_at AS "createdAt"
      FROM tool_versions
      WHERE tool_id = ${toolId}::uuid
        AND version < ${page.beforeVersion ?? 2_147_483_647}
      ORDER BY version DESC LIMIT ${page.limit + 1}
    `,
  )
  const items = rows.slice(0, page.limit).map(({ createdAt, ...row }) => ({
    ...row,
    createdAt: createdAt.toISOString(),
  }))
  return { items, nextVersion: rows.length > page.limit ? (items.at(-1)?.version ?? null) : null }
}

/** Slugs of tools with a step at the provider, and whether unfinished tasks wait for it. */
export async function findProviderUses(
  tx: Transaction,
  providerId: string,
): Promise<{ toolSlugs: string[]; openTasks: number }> {
  const { rows } = await tx.query<{ toolSlugs: string[]; openTasks: number }>(sql`
    SELECT
      ARRAY(SELECT slug FROM tools
        WHERE config @> jsonb_build_object('steps',
          jsonb_build_array(jsonb_build_object('providerId', ${providerId}::text)))
          OR config @> jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('fallbacks',
            jsonb_build_array(jsonb_build_object('providerId', ${providerId}::text)))))
        ORDER BY slug LIMIT 20) AS "toolSlugs",
      (SELECT count(*) FROM tasks WHERE finished_at IS NULL
        AND (step->>'providerId' = ${providerId} OR step->'fallbacks' @> jsonb_build_array(
          jsonb_build_object('providerId', ${providerId}::text)))) AS "openTasks"
  `)
  return rows[0] ?? { toolSlugs: [], openTasks: 0 }
}
