import { problems } from '@funmagic/contract/problem'
import { SubmitTask, SubmittedTask, type TaskView } from '@funmagic/contract/task'
import { inOneTrip, inTransaction } from '@funmagic/database/transaction'
import { reserve, type Reserved } from '@funmagic/ledger/reservations'
import { failpoint } from '@funmagic/runtime/failpoints'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { userOf } from '@funmagic/session/require-user'
import {
  findReplay,
  recordTask,
  requestHashOf,
  type Hold,
  type Submission,
} from '@funmagic/task/submission'
import type { Task } from '@funmagic/task/tasks'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Admission } from '../admission.ts'
import type { Announcer } from '../announcer.ts'
import type { Dispatcher } from '../dispatcher.ts'
import type { Events } from '../events.ts'
import { checkOrder, type Order, type OrderDeps } from '../orders.ts'
import { toNewTaskView, type TaskViews } from '../task-views.ts'
import { readWait, type TaskWaits } from '../task-waits.ts'

/** What lets a submission in, and what it sets going. */
export interface SubmissionDeps {
  readonly admission: Admission
  readonly dispatcher: Pick<Dispatcher, 'nudge'>
  readonly announcer: Announcer
  readonly events: Events
  readonly waits: Pick<TaskWaits, 'untilEnded'>
}

interface SubmitTaskDeps extends SubmissionDeps {
  readonly orders: OrderDeps
  readonly taskViews: TaskViews
}

/**
 * Everything that can be refused is refused before it is paid for. Then the credits are set aside
 * and the task, its input and its wake-up are recorded in one transaction, or not at all (C4);
 * under an Idempotency-Key that happens once (M10). The dispatcher finds the wake-up by itself if
 * the nudge is lost.
 */
export const submitTask: RoutePlugin<SubmitTaskDeps> = async (app, deps) => {
  app.post(
    '/api/tasks',
    {
      config: { rateLimit: 'taskCreation' },
      schema: {
        summary: 'Run a step of a tool',
        headers: SubmitHeaders,
        body: SubmitTask,
        response: { 201: SubmittedTask, ...submitProblems },
      },
    },
    async (request, reply) => {
      const user = userOf(request)
      const order = { userId: user.id, requestId: request.id, body: request.body }
      const submission = await submitOnce(deps, order, request.headers['idempotency-key'])
      if (submission.kind === 'recorded') {
        deps.dispatcher.nudge()
        deps.events.taskSubmitted(submission.task)
        deps.announcer.balanceChanged(user.id, submission.held)
      }
      const task = await waitIfPreferred(deps.waits, submission.task, { request, reply })
      const isNew = submission.kind === 'recorded' && task === submission.task
      reply.code(201)
      return toReply(isNew ? toNewTaskView(task) : await deps.taskViews.viewOf(task, user))
    },
  )
}

/** `Prefer: wait=n` keeps the request open until the task has ended or the time is over (T4). */
async function waitIfPreferred(
  waits: Pick<TaskWaits, 'untilEnded'>,
  task: Task,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
): Promise<Task> {
  const seconds = readWait(request.headers.prefer)
  if (seconds === 0) return task
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const waited = await waits.untilEnded(task, { seconds, signal: gone.signal })
  if (waited.appliedSeconds !== undefined) {
    reply.header('preference-applied', `wait=${waited.appliedSeconds}`)
  }
  return waited.task
}

const SubmitHeaders = Type.Object({
  ...IdempotencyHeaders.properties,
  prefer: Type.Optional(
    Type.String({
      description: 'wait=n answers when the task has ended or n seconds are over, 50 at most',
      examples: ['wait=30'],
    }),
  ),
})

const submitProblems = problems(
  'VALIDATION_FAILED',
  'INVALID_IDEMPOTENCY_KEY',
  'INVALID_QUOTE',
  'UNAUTHORIZED',
  'ACCOUNT_SUSPENDED',
  'INSUFFICIENT_CREDITS',
  'NOT_FOUND',
  'TOOL_INACTIVE',
  'STEP_ORDER',
  'QUOTE_EXPIRED',
  'INVALID_INPUT',
  'UNSUPPORTED_INPUT',
  'QUOTE_MISMATCH',
  'IDEMPOTENCY_MISMATCH',
  'RATE_LIMITED',
  'PROVIDER_UNAVAILABLE',
  'TOO_MANY_TASKS',
  'QUEUE_FULL',
)

/** A repeat is answered from the record, whatever has become of the tool or the picture since. */
async function submitOnce(
  { orders, admission }: SubmitTaskDeps,
  order: Order,
  key: string | undefined,
): Promise<Submission<Reserved>> {
  const { database } = orders
  const { userId } = order
  const idempotency =
    key === undefined ? undefined : { key, requestHash: requestHashOf(order.body) }
  const earlier = idempotency && (await findReplay(database, { userId, ...idempotency }))
  if (earlier !== undefined) return { kind: 'replayed', task: earlier }

  await admission.requireRoom()
  const { task, description } = await checkOrder(orders, order)
  const submission = await inTransaction(database, async tx => {
    const setAside = async ({ taskId: referenceId, deadlineAt }: Hold) => {
      const amount = task.creditsCost
      const reservation = { userId, referenceId, amount, deadlineAt, description }
      const turn = inOneTrip(reserve(tx, reservation), admission.requireTurn(tx, userId))
      const [held] = await turn
      failpoint('submit.reserved')
      return held
    }
    return recordTask(tx, { ...task, idempotency }, setAside)
  })
  failpoint('submit.committed')
  return submission
}

/** Addresses are relative to the API, so that they hold behind any host that leads to it. */
function toReply(task: TaskView): SubmittedTask {
  const statusUrl = `/api/tasks/${task.id}`
  return { task, statusUrl, streamUrl: `${statusUrl}/stream`, cancelUrl: `${statusUrl}/cancel` }
}
