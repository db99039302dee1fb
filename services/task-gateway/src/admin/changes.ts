import type { AdminSubject } from '@funmagic/contract/admin-event'
import type { Credentials } from '@funmagic/provider/credentials'
import type { Database } from '@funmagic/database/client'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { hashRequest } from '@funmagic/runtime/idempotency'
import { recordChange, type Change } from '@funmagic/session/admin-events'
import { userOf } from '@funmagic/session/require-user'
import type { FastifyRequest } from 'fastify'
import type { Announcer } from '../announcer.ts'
import type { Events } from '../events.ts'
import type { RetryDeps } from '../retry-dead-letters.ts'

export interface AdminDeps {
  readonly database: Database
  readonly events: Events
  readonly announcer: Announcer
  readonly credentials: Credentials
  /** Pictures of tools lie there and nowhere else. */
  readonly cdnUrl: string
  /** Where provider simulators answer, on development machines; nowhere else. */
  readonly simulatorsUrl: string | undefined
  /** What repeats dead letters. */
  readonly retries: Pick<RetryDeps, 'dispatcher' | 'timeoutDefaultMs'>
  /** After a provider's limits have changed. */
  readonly forgetLimits: (scope: 'web' | 'admin', providerId: string) => Promise<void>
}

export interface AdminChange {
  readonly action: string
  readonly subjectType: AdminSubject
  readonly request: FastifyRequest
  readonly reason?: string | undefined
  /** The body of a request that creates something, which is done once under its key. */
  readonly creating?: object
}

/** Makes the change and its line in the audit in one transaction; returns what was changed. */
export async function changeAudited(
  { database, events }: Pick<AdminDeps, 'database' | 'events'>,
  { action, subjectType, request, reason, creating }: AdminChange,
  change: (tx: Transaction) => Promise<Change>,
): Promise<string> {
  const { id, role } = userOf(request)
  const key = request.headers['idempotency-key']
  const idempotency =
    creating !== undefined && typeof key === 'string'
      ? { key, requestHash: hashRequest({ action, body: creating }) }
      : undefined
  const occasion = {
    actor: { id, role },
    requestId: request.id,
    action,
    subjectType,
    reason,
    idempotency,
  }
  const subjectId = await inTransaction(database, tx =>
    recordChange(tx, occasion, () => change(tx)),
  )
  events.adminChanged({ action, subjectId, actorId: id, requestId: request.id })
  return subjectId
}
