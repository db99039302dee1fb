import { AdjustmentView } from '@funmagic/contract/credit-admin'
import { Id } from '@funmagic/contract/ids'
import { problems } from '@funmagic/contract/problem'
import { inTransaction } from '@funmagic/database/transaction'
import { approveAdjustment, rejectAdjustment } from '@funmagic/ledger/adjustments'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { OperatorDeps } from '../operator.ts'
import { toAdjustmentView } from '../views.ts'

const Params = Type.Object({ id: Id })
const Decided = Type.Object({ adjustment: AdjustmentView })
const refusals = ['INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND', 'CONFLICT'] as const

/** The second operator's yes or no to what is too large for one. */
export const decideAdjustments: RoutePlugin<OperatorDeps> = async (app, deps) => {
  const { database, events, announcer } = deps
  app.post(
    '/api/admin/credits/adjustments/:id/approve',
    {
      schema: {
        summary: 'Agree to what another super admin asked for; it happens at once',
        params: Params,
        response: {
          200: Decided,
          ...problems(...refusals, 'SECOND_PERSON_REQUIRED', 'INSUFFICIENT_CREDITS'),
        },
      },
    },
    async request => {
      const decision = { adjustmentId: request.params.id, actorId: userOf(request).id }
      const { adjustment, entry } = await inTransaction(database, tx =>
        approveAdjustment(tx, decision),
      )
      if (entry !== undefined) {
        events.adjustmentDecided(adjustment, request.id)
        void announcer.creditsChanged(adjustment.userId)
      }
      return { adjustment: toAdjustmentView(adjustment) }
    },
  )
  app.post(
    '/api/admin/credits/adjustments/:id/reject',
    {
      schema: {
        summary: 'Refuse what was asked for, or take it back',
        params: Params,
        response: { 200: Decided, ...problems(...refusals) },
      },
    },
    async request => {
      const decision = { adjustmentId: request.params.id, actorId: userOf(request).id }
      const adjustment = await inTransaction(database, tx => rejectAdjustment(tx, decision))
      events.adjustmentDecided(adjustment, request.id)
      return { adjustment: toAdjustmentView(adjustment) }
    },
  )
}
