import { AdminEventView, ListAdminEventsQuery } from '@funmagic/contract/admin-event'
import { Page, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { listAdminEvents as listStored } from '@funmagic/session/admin-events'
import { requireRole } from '@funmagic/session/require-user'

export const listAdminEvents: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api/admin/events',
    {
      onRequest: requireRole('super_admin'),
      schema: {
        summary: 'What operators have changed, newest first',
        querystring: ListAdminEventsQuery,
        response: {
          200: Page(AdminEventView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN'),
        },
      },
    },
    async ({ query }) => {
      const { actorId, subjectType, subjectId } = query
      return listStored(database, { actorId, subjectType, subjectId }, readPage(query))
    },
  )
}
