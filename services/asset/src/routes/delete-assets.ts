import { findDeleted } from '@funmagic/asset/gallery'
import type { MoveDeps } from '@funmagic/asset/moves'
import { deleteAsset as remove } from '@funmagic/asset/publishing'
import { DeleteAssets, DeletedAssets } from '@funmagic/contract/gallery'
import type { AssetId, UserId } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'

interface DeleteAssetsDeps extends MoveDeps {
  readonly events: Events
}

type Outcome = DeletedAssets['items'][number]['outcome']

const lanes = 4
/** Below the load balancer's patience; what has not been reached by then is `failed`. */
const deadlineMs = 20_000

/** Every id is deleted as DELETE does it, and answered for itself: a repeat is harmless. */
export const deleteAssets: RoutePlugin<DeleteAssetsDeps> = async (app, deps) => {
  app.post(
    '/api/assets/delete',
    {
      schema: {
        summary: 'Delete up to 200 own assets',
        description: 'Each has its own outcome. Repeat with the ids that failed.',
        body: DeleteAssets,
        response: { 200: DeletedAssets, ...problems('VALIDATION_FAILED', 'UNAUTHORIZED') },
      },
    },
    async request => {
      const userId = userOf(request).id
      const { ids } = request.body
      const outcomes = await removeAll(deps, { userId, ids, requestId: request.id })
      const unknown = ids.filter(id => outcomes.get(id) === 'missing')
      const before = await findDeleted(deps.database, { userId, ids: unknown })
      const outcomeOf = (id: AssetId) => (before.has(id) ? 'deleted' : outcomes.get(id))
      return { items: ids.map(id => ({ id, outcome: outcomeOf(id) ?? 'failed' })) }
    },
  )
}

/** A few at a time, in the order of the ids, until the deadline. */
async function removeAll(
  deps: DeleteAssetsDeps,
  order: { userId: UserId; ids: readonly AssetId[]; requestId: string },
): Promise<Map<AssetId, Outcome>> {
  const { userId, requestId } = order
  const signal = AbortSignal.timeout(deadlineMs)
  const outcomes = new Map<AssetId, Outcome>()
  const queue = order.ids.values()
  const work = async () => {
    for (const assetId of queue) {
      if (signal.aborted) return
      const outcome = await removeOne(deps, { userId, assetId }, signal)
      outcomes.set(assetId, outcome)
      if (outcome === 'deleted') deps.events.assetDeleted({ assetId, userId, requestId })
    }
  }
  // As many as there are lanes.
  await Promise.all(Array.from({ length: lanes }, work))
  return outcomes
}

async function removeOne(
  deps: DeleteAssetsDeps,
  own: { userId: UserId; assetId: AssetId },
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    await remove(deps, own, signal)
    return 'deleted'
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return error.code === 'NOT_FOUND' ? 'missing' : 'failed'
  }
}
