import { CreditTransactionView } from '@funmagic/contract/credit'
import { AdjustmentView } from '@funmagic/contract/credit-admin'
import { Id } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import { inTransaction } from '@funmagic/database/transaction'
import { entryCreditsMax } from '@funmagic/ledger/credits'
import { requestAdjustment } from '@funmagic/ledger/adjustments'
import { postEntry } from '@funmagic/ledger/entries'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { operationOf, Reason, type OperatorDeps } from '../operator.ts'
import { toAdjustmentView, toTransactionView } from '../views.ts'

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
    reason: Reason,
  },
  { additionalProperties: false },
)

/**
 * Who did it stands in the ledger beside what was done (C9): the entry carries the operator's id.
 * What is beyond the limit of one operator is only asked for, and answers 202.
 */
export const adjustCredits: RoutePlugin<OperatorDeps> = async (app, deps) => {
  app.post(
    '/api/admin/credits/adjust',
    {
      schema: {
        summary: 'Add credits to a user, or take some away',
        headers: IdempotencyHeaders,
        body: AdjustCredits,
        response: {
          200: Type.Object({ transaction: CreditTransactionView }),
          202: Type.Object({ adjustment: AdjustmentView }),
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
    async (request, reply) => {
      const { userId, amount, reason } = request.body
      const { actorId, referenceId } = operationOf(request, userOf(request).id)

      if (Math.abs(amount) > deps.aloneCreditsMax) {
        const asked = { userId, amount, reason, requestedBy: actorId, referenceId }
        const adjustment = await inTransaction(deps.database, tx => requestAdjustment(tx, asked))
        deps.events.adjustmentRequested(adjustment, request.id)
        reply.code(202)
        return { adjustment: toAdjustmentView(adjustment) }
      }
      const posting = await inTransaction(deps.database, tx =>
        postEntry(tx, {
          userId,
          type: 'admin_adjust',
          amount,
          referenceId,
          actorId,
          description: reason,
        }),
      )
      const { entry } = posting
      if (entry.description !== reason) throw new AppError('IDEMPOTENCY_MISMATCH')

      if (posting.kind === 'posted') {
        deps.events.creditsAdjusted(entry, request.id)
        void deps.announcer.creditsChanged(userId)
      }
      return { transaction: toTransactionView(entry) }
    },
  )
}
