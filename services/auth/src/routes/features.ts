import { ChangeFeature, features, FeatureView, isFeature } from '@funmagic/contract/features'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { recordChange } from '@funmagic/session/admin-events'
import { changeFeature, listFeatures, type Features } from '@funmagic/session/features'
import { requireRole, userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'

interface FeaturesDeps {
  readonly database: Database
  readonly events: Events
  readonly features: Features
}

const FeatureViews = Type.Object({ items: Type.Array(FeatureView) })

export const getFeatures: RoutePlugin<FeaturesDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/settings/features',
    {
      onRequest: requireRole('admin'),
      schema: {
        summary: 'What can be switched off, and to how many users it is open',
        response: { 200: FeatureViews, ...problems('UNAUTHORIZED', 'FORBIDDEN') },
      },
    },
    async () => ({ items: await listFeatures(database) }),
  )
}

export const switchFeature: RoutePlugin<FeaturesDeps> = async (app, deps) => {
  app.put(
    '/api/admin/settings/features/:key',
    {
      onRequest: requireRole('super_admin'),
      schema: {
        summary: 'Open a feature to this share of the users; it holds everywhere within seconds',
        description:
          'Who has it keeps it while the share grows. The last change holds: there is no version.',
        params: Type.Object({ key: Type.String({ maxLength: 64 }) }),
        body: ChangeFeature,
        response: {
          200: FeatureViews,
          ...problems('VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND'),
        },
      },
    },
    async request => {
      const { key } = request.params
      const { percent, reason } = request.body
      if (!isFeature(key)) throw new AppError('NOT_FOUND')
      if (!features[key].isGradual && percent % 100 !== 0) throw notGradual()
      const { id, role } = userOf(request)
      const change = { action: 'settings.updated', subjectType: 'settings', reason } as const
      const occasion = { ...change, actor: { id, role }, requestId: request.id }
      await inTransaction(deps.database, tx =>
        recordChange(tx, occasion, async () => {
          const before = await changeFeature(tx, { feature: key, percent })
          return { subjectId: `feature:${key}`, before: { percent: before }, after: { percent } }
        }),
      )
      deps.features.forget()
      deps.events.featureSwitched({ requestId: request.id, userId: id }, { feature: key, percent })
      return { items: await listFeatures(deps.database) }
    },
  )
}

function notGradual(): AppError {
  const suggestion = 'must be 0 or 100: nobody is known yet who could be among a share'
  const details = { in: 'body', field: 'percent', suggestion }
  return new AppError('VALIDATION_FAILED', { details })
}
