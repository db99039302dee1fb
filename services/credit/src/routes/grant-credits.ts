import { CreditGrantView, creditGrantKinds } from '@funmagic/contract/credit'
import { AdjustmentView } from '@funmagic/contract/credit-admin'
import { Id } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import { inTransaction } from '@funmagic/database/transaction'
import { entryCreditsMax } from '@funmagic/ledger/credits'
import { requestAdjustment } from '@funmagic/ledger/adjustments'
import { grantCredits as grant } from '@funmagic/ledger/grants'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { operationOf, Reason, type OperatorDeps } from '../operator.ts'
import { toAdjustmentView, toGrantView } from '../views.ts'

const GrantCredits = Type.Object(
  {
    userId: Id,
    amount: Type.Integer({ minimum: 1, maximum: entryCreditsMax, examples: [50] }),
    expiresAt: Type.String({ format: 'date-time' }),
    kind: Type.Optional(Type.Enum(creditGrantKinds)),
    priority: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000, description: 'The lowest is spent first' }),
    ),
    reason: Reason,
  },
  { additionalProperties: false },
)

/** Credits that expire. Above the limit they wait for a second super admin, as `compensation`. */
export const grantCredits: RoutePlugin<OperatorDeps> = async (app, deps) => {
  app.post(
    '/api/admin/credits/grants',
    {
      schema: {
        summary: 'Give a user credits that expire',
        headers: IdempotencyHeaders,
        body: GrantCredits,
        response: {
          201: Type.Object({ grant: CreditGrantView }),
          202: Type.Object({ adjustment: AdjustmentView }),
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'UNAUTHORIZED',
            'FORBIDDEN',
            'NOT_FOUND',
            'IDEMPOTENCY_MISMATCH',
          ),
        },
      },
    },
    async (request, reply) => {
      const { userId, amount, kind = 'promotion', priority, reason } = request.body
      const expiresAt = new Date(request.body.expiresAt)
      if (!(expiresAt.getTime() > Date.now())) {
        const suggestion = 'The end must be in the future.'
        throw new AppError('VALIDATION_FAILED', { details: { field: 'expiresAt', suggestion } })
      }
      const { actorId, referenceId } = operationOf(request, userOf(request).id)

      if (amount > deps.aloneCreditsMax) {
        const asked = { userId, amount, reason, expiresAt, requestedBy: actorId, referenceId }
        const adjustment = await inTransaction(deps.database, tx => requestAdjustment(tx, asked))
        deps.events.adjustmentRequested(adjustment, request.id)
        reply.code(202)
        return { adjustment: toAdjustmentView(adjustment) }
      }
      const granting = await inTransaction(deps.database, tx =>
        grant(tx, {
          userId,
          kind,
          referenceId,
          amount,
          expiresAt,
          priority,
          actorId,
          description: reason,
        }),
      )
      if (granting.kind === 'granted') {
        deps.events.creditsAdjusted(granting.entry, request.id)
        void deps.announcer.creditsChanged(userId)
      }
      reply.code(201)
      return { grant: toGrantView(granting.grant) }
    },
  )
}
