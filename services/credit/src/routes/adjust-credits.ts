import { createHash } from 'node:crypto'
import { CreditTransactionView } from '@funmagic/contract/credit'
import { Id, newId, type UserId } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { entryCreditsMax } from '@funmagic/ledger/credits'
import { postEntry, type Entry } from '@funmagic/ledger/entries'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'
import { toTransactionView } from '../transaction-view.ts'

const AdjustCredits = Type.Object(
  {
    userId: Id,
    amount: Type.Integer({
      minimum: -entryCreditsMax,
      maximum: entryCreditsMax,
      not: { const: 0 },
      description: 'Credits to add; negative to take away',
      examples: [50],
    }),
    reason: Type.String({
      minLength: 1,
      maxLength: 500,
      pattern: '\\S',
      description: 'Shown to the user in the history',
      examples: ['Goodwill for a failed batch'],
    }),
  },
  { additionalProperties: false },
)

interface AdjustCreditsDeps {
  readonly database: Database
  readonly events: Events
  readonly announceBalance: (entry: Entry) => void
}

/**
 * Who did it stands in the ledger beside what was done (C9): the entry carries the operator's id,
 * and its reference is bound to the operator, so that two operators' keys never meet.
 */
export const adjustCredits: RoutePlugin<AdjustCreditsDeps> = async (app, deps) => {
  app.post(
    '/api/admin/credits/adjust',
    {
      schema: {
        summary: 'Add credits to a user, or take some away',
        headers: IdempotencyHeaders,
        body: AdjustCredits,
        response: {
          200: Type.Object({ transaction: CreditTransactionView }),
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'UNAUTHORIZED',
            'INSUFFICIENT_CREDITS',
            'FORBIDDEN',
            'NOT_FOUND',
            'IDEMPOTENCY_MISMATCH',
          ),
        },
      },
    },
    async request => {
      const { userId, amount, reason } = request.body
      const actorId = userOf(request).id

      const posting = await inTransaction(deps.database, tx =>
        postEntry(tx, {
          userId,
          type: 'admin_adjust',
          amount,
          referenceId: referenceOf(actorId, request.headers['idempotency-key']),
          actorId,
          description: reason,
        }),
      )
      const { entry } = posting
      if (entry.description !== reason) throw new AppError('IDEMPOTENCY_MISMATCH')

      if (posting.kind === 'posted') {
        deps.events.creditsAdjusted(entry, request.id)
        deps.announceBalance(entry)
      }
      return { transaction: toTransactionView(entry) }
    },
  )
}

/** A key may be as long as the column by itself, so its hash stands for it. */
function referenceOf(actorId: UserId, key: string | undefined): string {
  if (key === undefined) return `adjust:${newId()}`
  return `adjust:${actorId}:${createHash('sha256').update(key).digest('hex')}`
}
