import type { AdminEventView, AdminSubject } from '@funmagic/contract/admin-event'
import { newId, type UserId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { UserRole } from '@funmagic/contract/user'
import type { Database, Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'

/** Who changes something, in which request, and why. */
export interface Occasion {
  readonly actor: { readonly id: UserId; readonly role: UserRole }
  readonly requestId: string
  /** Past tense after the subject, such as `tool.updated`. */
  readonly action: string
  readonly subjectType: AdminSubject
  readonly reason?: string | undefined
  /** For a request that creates something: a repeat under the key changes nothing. */
  readonly idempotency?: { readonly key: string; readonly requestHash: string } | undefined
}

/** What has changed, without secrets. */
export interface Change {
  readonly subjectId: string
  readonly before?: object | undefined
  readonly after?: object | undefined
}

/**
 * Makes the change and writes it down in the same transaction; returns what it was about. Under
 * an Idempotency-Key that the actor has used, `change` is not called again. Throws
 * IDEMPOTENCY_MISMATCH when the key was used for another request.
 */
export async function recordChange(
  tx: Transaction,
  occasion: Occasion,
  change: () => Promise<Change>,
): Promise<string> {
  const earlier = await findEarlier(tx, occasion)
  if (earlier !== undefined) return earlier
  const { subjectId, before, after } = await change()
  const { actor, idempotency } = occasion
  await tx.query(sql`
    INSERT INTO admin_events (id, actor_id, actor_role, action, subject_type, subject_id, before,
      after, reason, request_id, idempotency_key, request_hash)
    VALUES (${newId()}::uuid, ${actor.id}::uuid, ${actor.role}::user_role, ${occasion.action},
      ${occasion.subjectType}, ${subjectId}, ${toJson(before)}::jsonb, ${toJson(after)}::jsonb,
      ${occasion.reason ?? null}, ${occasion.requestId}, ${idempotency?.key ?? null},
      ${idempotency?.requestHash ?? null})
  `)
  return subjectId
}

/** Two requests under one key at once: the second waits here and then finds the first. */
async function findEarlier(
  tx: Queryable,
  { actor, idempotency }: Occasion,
): Promise<string | undefined> {
  if (idempotency === undefined) return undefined
  const lock = `admin-change:${actor.id}:${idempotency.key}`
  await tx.query(sql`SELECT pg_advisory_xact_lock(hashtextextended(${lock}, 0))`)
  const { rows } = await tx.query<{ subjectId: string; requestHash: string }>(sql`
    SELECT subject_id AS "subjectId", request_hash AS "requestHash" FROM admin_events
    WHERE actor_id = ${actor.id}::uuid AND idempotency_key = ${idempotency.key}
  `)
  if (rows[0] === undefined) return undefined
  if (rows[0].requestHash !== idempotency.requestHash) throw new AppError('IDEMPOTENCY_MISMATCH')
  return rows[0].subjectId
}

function toJson(snapshot: object | undefined): string | null {
  return snapshot === undefined ? null : JSON.stringify(snapshot)
}

export interface AdminEventFilter {
  readonly actorId?: UserId | undefined
  readonly subjectType?: AdminSubject | undefined
  readonly subjectId?: string | undefined
}

/** The audit, newest first. */
export async function listAdminEvents(
  database: Database,
  filter: AdminEventFilter,
  page: PageRequest,
): Promise<PageOf<AdminEventView>> {
  const { actorId = null, subjectType = null, subjectId = null } = filter
  const beforeId = page.beforeId ?? null
  const { rows } = await database.query<AdminEventRow>(sql`
    SELECT id, actor_id AS "actorId", actor_role AS "actorRole", action,
      subject_type AS "subjectType", subject_id AS "subjectId", before, after, reason,
      request_id AS "requestId", created_at AS "createdAt"
    FROM admin_events
    WHERE (${actorId}::uuid IS NULL OR actor_id = ${actorId}::uuid)
      AND (${subjectType}::text IS NULL OR subject_type = ${subjectType})
      AND (${subjectId}::text IS NULL OR subject_id = ${subjectId})
      AND (${beforeId}::uuid IS NULL OR id < ${beforeId}::uuid)
    ORDER BY id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit).map(({ createdAt, ...row }) => ({
    ...row,
    createdAt: createdAt.toISOString(),
  }))
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

type AdminEventRow = Omit<AdminEventView, 'createdAt'> & { readonly createdAt: Date }
