import type { UserId } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import { SubmitTask, SubmittedTask, type TaskView } from '@funmagic/contract/task'
import type { ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { reserve } from '@funmagic/ledger/reservations'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { userOf } from '@funmagic/session/require-user'
import { findTool, readStep, requireStepOrder, type Tool } from '@funmagic/task/catalog'
import {
  findReplay,
  recordTask,
  requestHashOf,
  type NewTask,
  type Submission,
} from '@funmagic/task/submission'
import type { Announcer } from '../announcer.ts'
import type { Dispatcher } from '../dispatcher.ts'
import type { Events } from '../events.ts'
import { readInput, type InputDeps } from '../input-reader.ts'
import type { TaskViews } from '../task-views.ts'

/** What a submission sets going, and for how long. */
export interface SubmissionDeps {
  readonly dispatcher: Pick<Dispatcher, 'nudge'>
  readonly announcer: Announcer
  readonly events: Events
  readonly timeouts: TaskTimeouts
}

interface SubmitTaskDeps extends SubmissionDeps, InputDeps {
  readonly taskViews: TaskViews
}

/** A task has its step's time to run, and this allowance to wait in the queue before. */
export interface TaskTimeouts {
  readonly stepDefaultSeconds: number
  readonly queueAllowanceSeconds: number
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
        headers: IdempotencyHeaders,
        body: SubmitTask,
        response: { 201: SubmittedTask, ...submitProblems },
      },
    },
    async (request, reply) => {
      const user = userOf(request)
      const submission = await submitOnce(deps, {
        userId: user.id,
        requestId: request.id,
        key: request.headers['idempotency-key'],
        body: request.body,
      })
      const { task } = submission
      if (submission.kind === 'recorded') {
        deps.dispatcher.nudge()
        deps.events.taskSubmitted(task)
        deps.announcer.balanceChanged(user.id)
      }
      reply.code(201)
      return toReply(await deps.taskViews.viewOf(task, user))
    },
  )
}

const submitProblems = problems(
  'VALIDATION_FAILED',
  'INVALID_IDEMPOTENCY_KEY',
  'UNAUTHORIZED',
  'INSUFFICIENT_CREDITS',
  'NOT_FOUND',
  'TOOL_INACTIVE',
  'STEP_ORDER',
  'INVALID_INPUT',
  'IDEMPOTENCY_MISMATCH',
  'RATE_LIMITED',
)

interface Order {
  readonly userId: UserId
  readonly requestId: string
  readonly key: string | undefined
  readonly body: SubmitTask
}

/** A repeat is answered from the record, whatever has become of the tool or the picture since. */
async function submitOnce(deps: SubmitTaskDeps, order: Order): Promise<Submission> {
  const { database } = deps
  const { userId, key } = order
  const idempotency =
    key === undefined ? undefined : { key, requestHash: requestHashOf(order.body) }
  const earlier = idempotency && (await findReplay(database, { userId, ...idempotency }))
  if (earlier !== undefined) return { kind: 'replayed', task: earlier }

  const { task, description } = await checkOrder(deps, order)
  return inTransaction(database, tx =>
    recordTask(tx, { ...task, idempotency }, ({ taskId, deadlineAt }) =>
      reserve(tx, {
        userId,
        referenceId: taskId,
        amount: task.creditsCost,
        deadlineAt,
        description,
      }),
    ),
  )
}

async function checkOrder(
  { database, links, timeouts }: SubmitTaskDeps,
  { userId, requestId, body }: Order,
): Promise<{ task: NewTask; description: string }> {
  const { parentTaskId } = body
  const tool = await readActiveTool(database, body.toolSlug)
  const step = readStep(tool, body.stepId)
  await requireStepOrder(database, { userId, tool, step, parentTaskId })
  const given = { userId, tool, step, parentTaskId, input: body.input }
  const input = await readInput({ database, links }, given)
  const creditsCost = step.cost
  const timeoutMs = timeoutMsOf(step, timeouts)
  return {
    task: { userId, tool, step, creditsCost, input, parentTaskId, requestId, timeoutMs },
    description: `${tool.title}: ${step.name}`,
  }
}

async function readActiveTool(database: Database, slug: string): Promise<Tool> {
  const tool = await findTool(database, slug)
  if (tool === undefined) throw new AppError('NOT_FOUND', { details: { field: 'toolSlug' } })
  if (!tool.isActive) throw new AppError('TOOL_INACTIVE')
  return tool
}

function timeoutMsOf(step: ToolStep, timeouts: TaskTimeouts): number {
  const stepSeconds = step.timeoutSeconds ?? timeouts.stepDefaultSeconds
  return (stepSeconds + timeouts.queueAllowanceSeconds) * 1000
}

/** Addresses are relative to the API, so that they hold behind any host that leads to it. */
function toReply(task: TaskView): SubmittedTask {
  const statusUrl = `/api/tasks/${task.id}`
  return { task, statusUrl, streamUrl: `${statusUrl}/stream`, cancelUrl: `${statusUrl}/cancel` }
}
