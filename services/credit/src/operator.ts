import { createHash } from 'node:crypto'
import { newId, type UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import Type from 'typebox'
import type { Announcer } from './announce-credits.ts'
import type { Events } from './events.ts'

/** What the routes of super admins that give and take credits work with. */
export interface OperatorDeps {
  readonly database: Database
  readonly events: Events
  readonly announcer: Announcer
  /** What one operator may give or take alone; beyond it a second one decides (C9). */
  readonly aloneCreditsMax: number
}

export const Reason = Type.String({
  minLength: 1,
  maxLength: 500,
  pattern: '\\S',
  description: 'Shown to the user in the history',
  examples: ['Goodwill for a failed batch'],
})

/**
 * Who does it, and the reference under which it happens once: bound to the operator, so that two
 * operators' keys never meet. A key may be as long as the column, so its hash stands for it.
 */
export function operationOf(
  request: { readonly headers: { readonly 'idempotency-key'?: string | undefined } },
  actorId: UserId,
): { readonly actorId: UserId; readonly referenceId: string } {
  const key = request.headers['idempotency-key']
  if (key === undefined) return { actorId, referenceId: `adjust:${newId()}` }
  const hash = createHash('sha256').update(key).digest('hex')
  return { actorId, referenceId: `adjust:${actorId}:${hash}` }
}
