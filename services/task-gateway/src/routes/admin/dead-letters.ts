import {
  DeadLetterGroups,
  DeadLetterRetries,
  DeadLetterView,
  DeadLetterFilter,
  ListDeadLettersQuery,
  RetryDeadLetters,
} from '@funmagic/contract/dead-letter'
import { Id, newId, type TaskId } from '@funmagic/contract/ids'
import { Page, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { listAdminEvents } from '@funmagic/session/admin-events'
import {
  findUnretried,
  groupDeadLetters,
  listDeadLetters as list,
  type DeadLetter,
  type DeadLetterFilter as StoredFilter,
} from '@funmagic/task/dead-letters'
import Type from 'typebox'
import { Value } from 'typebox/value'
import { changeAudited, type AdminDeps } from '../../admin/changes.ts'
import { retryDeadLetters as retry } from '../../retry-dead-letters.ts'

const queryProblems = problems('VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN')

export const listDeadLetters: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tasks/dead-letters',
    {
      schema: {
        summary: 'Tasks that failed within 14 days, with their reasons, newest submission first',
        querystring: ListDeadLettersQuery,
        response: {
          200: Page(DeadLetterView),
          ...queryProblems,
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED'),
        },
      },
    },
    async ({ query }) => {
      const page = await list(database, toFilter(query), readPage(query))
      return { ...page, items: page.items.map(toView) }
    },
  )
}

export const countDeadLetters: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tasks/dead-letters/groups',
    {
      schema: {
        summary: 'Why tasks failed: counts by reason and tool, the most frequent first',
        querystring: DeadLetterFilter,
        response: { 200: DeadLetterGroups, ...queryProblems },
      },
    },
    async ({ query }) => {
      const groups = await groupDeadLetters(database, toFilter(query))
      const items = groups.map(({ code: errorCode, oldestAt, newestAt, ...group }) => ({
        errorCode,
        ...group,
        oldestAt: oldestAt.toISOString(),
        newestAt: newestAt.toISOString(),
      }))
      return { items }
    },
  )
}

/**
 * Which tasks are repeated is decided once, with the line in the audit that names them; under its
 * Idempotency-Key the same request goes on with those.
 */
export const retryDeadLetters: RoutePlugin<AdminDeps> = async (app, deps) => {
  app.post(
    '/api/admin/tasks/dead-letters/retry',
    {
      schema: {
        summary: 'Repeat failed tasks for their owners, each once and paid for like any other',
        headers: IdempotencyHeaders,
        body: RetryDeadLetters,
        response: {
          200: DeadLetterRetries,
          ...queryProblems,
          ...problems('VALIDATION_FAILED', 'INVALID_IDEMPOTENCY_KEY', 'IDEMPOTENCY_MISMATCH'),
        },
      },
    },
    async request => {
      const { filter, limit, reason } = request.body
      const change = {
        action: 'task.dead_letters_retried',
        subjectType: 'task',
        request,
        reason,
        creating: request.body,
      } as const
      const orderId = await changeAudited(deps, change, async tx => {
        const taskIds = await findUnretried(tx, toFilter(filter), { limit })
        return { subjectId: newId(), after: { filter, taskIds } }
      })
      const taskIds = await readOrder(deps.database, orderId)
      const { database, events, announcer, retries } = deps
      const items = await retry(
        { database, events, announcer, ...retries },
        { taskIds, requestId: request.id },
      )
      return { items }
    },
  )
}

const StoredOrder = Type.Object({ taskIds: Type.Array(Id) })

async function readOrder(database: Database, orderId: string): Promise<TaskId[]> {
  const filter = { subjectType: 'task', subjectId: orderId } as const
  const { items } = await listAdminEvents(database, filter, { limit: 1, beforeId: undefined })
  return Value.Parse(StoredOrder, items[0]?.after).taskIds
}

function toFilter({ errorCode, ...filter }: DeadLetterFilter): StoredFilter {
  return { ...filter, code: errorCode }
}

function toView({ code: errorCode, finishedAt, createdAt, ...letter }: DeadLetter): DeadLetterView {
  return {
    ...letter,
    errorCode,
    createdAt: createdAt.toISOString(),
    failedAt: finishedAt.toISOString(),
  }
}
