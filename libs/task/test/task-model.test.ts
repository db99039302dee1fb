import fc from 'fast-check'
import t from 'tap'
import { newId, type TaskId } from '@funmagic/contract/ids'
import type { TaskStatus } from '@funmagic/contract/task'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import {
  cancelTask,
  claimTask,
  completeTask,
  failTask,
  handBack,
  renewLease,
  reportProgress,
  type Claim,
} from '../src/lifecycle.ts'
import { findOpenCall, recordSubmitted, recordSubmitting } from '../src/calls.ts'
import { rescueExpired } from '../src/sweeps.ts'
import { isFinished, isLegalTransition } from '../src/task-state.ts'
import { createTaskWorld, expireLease, rowsOf, submitted } from './task-fixture.ts'

const { database } = await createTestDatabase(t)
const world = await createTaskWorld(database)
const rescuesMax = 2
const stepId = world.tool.config.steps[0]?.id ?? ''

/** What a task should be, in the simplest form. */
interface Model {
  status: TaskStatus
  attempt: number
  retries: number
  rescues: number
  progress: number
  rateLimits: number
  wakeUps: number
  /** The call at the provider, with its id once that is known; a first id stays. */
  call: string | null
  child: string
  grandchild: string
}

/** `staleBy` is how many attempts ago the caller took its claim: 0 is the one that counts. */
const step = fc.record({
  kind: fc.constantFrom(
    ...(['claim', 'claim', 'progress', 'renew', 'complete', 'fail', 'failAny'] as const),
    ...(['cancel', 'cancelRunning', 'handBack', 'retry', 'rateLimit', 'rescue'] as const),
    ...(['send', 'adopt', 'claimChild'] as const),
  ),
  staleBy: fc.constantFrom(0, 0, 0, 1),
  progress: fc.integer({ min: 0, max: 100 }),
  requestId: fc.constantFrom('first', 'second'),
})
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

/** A task, a step that waits for it, and one that waits for that. */
interface Chain {
  readonly taskId: TaskId
  readonly childId: TaskId
}

/** Performs the step on the database; true when it says that it had an effect. */
async function perform({ taskId, childId }: Chain, attempt: number, step: Step): Promise<boolean> {
  const claim = { taskId, attempt: attempt - step.staleBy }
  const { userId } = world
  switch (step.kind) {
    case 'claim':
      return (await claimTask(database, { taskId, leaseMs: 60_000 })) !== undefined
    case 'progress':
      return reportProgress(database, { ...claim, progress: step.progress })
    case 'renew':
      return renewLease(database, { ...claim, leaseMs: 60_000 })
    case 'complete': {
      const completion = { ...claim, output: { assetIds: [] } }
      return isDone(inTransaction(database, tx => completeTask(tx, completion)))
    }
    case 'fail':
      return isDone(inTransaction(database, tx => failTask(tx, { ...claim, code: 'POISON' })))
    case 'failAny':
      return isDone(inTransaction(database, tx => failTask(tx, { taskId, code: 'POISON' })))
    case 'cancel':
    case 'cancelRunning': {
      const cancellation = { taskId, userId, whileProcessing: step.kind === 'cancelRunning' }
      return isDone(inTransaction(database, tx => cancelTask(tx, cancellation)))
    }
    case 'handBack':
      return isDone(handBack(database, { ...claim, delayMs: 0, counts: 'nothing' }))
    case 'retry':
    case 'rateLimit':
      return isDone(handBack(database, { ...claim, delayMs: 0, counts: step.kind }))
    case 'rescue':
      return rescue(taskId)
    case 'send':
      return send(claim)
    case 'adopt':
      return adopt(taskId, step.requestId)
    case 'claimChild':
      return isDone(claimTask(database, { taskId: childId, leaseMs: 60_000 }))
  }
}

/** A worker sends once, unless its call is on record already. */
async function send(claim: Claim): Promise<boolean> {
  if ((await findOpenCall(database, { taskId: claim.taskId, stepId })) !== undefined) return false
  const [providerId, model] = [newId(), 'a-model']
  const call = { ...claim, stepId, provider: 'fal', providerId, model } as const
  return (await recordSubmitting(database, call)) !== undefined
}

/** The id of the call comes from a webhook, or from the worker that sent it, in any order. */
async function adopt(taskId: TaskId, requestId: string): Promise<boolean> {
  const open = await findOpenCall(database, { taskId, stepId })
  if (open === undefined) return false
  const providerRequestId = `${taskId}-${requestId}`
  await recordSubmitted(database, { callId: open.id, providerRequestId })
  const now = await findOpenCall(database, { taskId, stepId })
  return open.providerRequestId === null && now?.providerRequestId === providerRequestId
}

async function isDone(work: Promise<object | undefined>): Promise<boolean> {
  return (await work) !== undefined
}

async function rescue(taskId: TaskId): Promise<boolean> {
  const [row] = await rowsOf(database, sql`SELECT status FROM tasks WHERE id = ${taskId}`)
  if (row?.['status'] === 'processing') await expireLease(database, taskId)
  const rescued = await rescueExpired(database, { limit: 100, rescuesMax })
  return rescued.some(stray => stray.taskId === taskId)
}

/** The model after the step, or undefined when the step must have no effect. */
function expected(model: Model, step: Step): Model | undefined {
  const isOpen = !isFinished(model.status)
  const isHeld = model.status === 'processing' && step.staleBy === 0
  switch (step.kind) {
    case 'claim':
      if (model.status !== 'pending') return undefined
      return { ...model, status: 'processing', attempt: model.attempt + 1 }
    case 'progress':
      if (!isHeld) return undefined
      return { ...model, progress: Math.max(model.progress, step.progress) }
    case 'renew':
      return isHeld ? model : undefined
    case 'complete':
      return isHeld ? { ...model, status: 'completed', progress: 100, child: ready } : undefined
    case 'fail':
      return isHeld ? end(model, 'failed') : undefined
    case 'failAny':
      return isOpen ? end(model, 'failed') : undefined
    case 'cancel':
      return model.status === 'pending' ? end(model, 'canceled') : undefined
    case 'cancelRunning':
      return isOpen ? end(model, 'canceled') : undefined
    case 'handBack':
      return isHeld ? wake(model, {}) : undefined
    case 'retry':
      return isHeld ? wake(model, { retries: 1 }) : undefined
    case 'rateLimit':
      return isHeld ? wake(model, { rateLimits: 1 }) : undefined
    case 'send':
      return isHeld && model.call === null ? { ...model, call: 'submitting' } : undefined
    case 'adopt':
      if (model.call !== 'submitting') return undefined
      return { ...model, call: `submitted ${step.requestId}` }
    case 'claimChild':
      return model.child === ready ? { ...model, child: 'processing 1' } : undefined
    case 'rescue':
      if (model.status !== 'processing' || model.rescues >= rescuesMax) return undefined
      return wake(model, { rescues: 1 })
  }
}

/** How many wake-ups a task of the chain has had follows its status. */
const [waiting, ready, canceled] = ['waiting 0', 'pending 1', 'canceled 0']

/** Who waits for it ends with it, and was never woken (T8). */
function end(model: Model, status: 'failed' | 'canceled'): Model {
  return { ...model, status, child: canceled, grandchild: canceled }
}

function wake(model: Model, { retries = 0, rateLimits = 0, rescues = 0 }): Model {
  return {
    ...model,
    status: 'pending',
    wakeUps: model.wakeUps + 1,
    retries: model.retries + retries,
    rateLimits: model.rateLimits + rateLimits,
    rescues: model.rescues + rescues,
  }
}

async function readModel({ taskId, childId }: Chain): Promise<Record<string, unknown> | undefined> {
  const kept = sql`CASE WHEN waits_for_parent AND status = 'pending' THEN 'waiting'
      ELSE status::text END
    || ' ' || (SELECT count(*) FROM outbox WHERE key = tasks.id)`
  const call = sql`SELECT state || coalesce(
      ' ' || replace(provider_request_id, task_id || '-', ''), '')
    FROM provider_calls WHERE task_id = tasks.id`
  const [row] = await rowsOf(
    database,
    sql`SELECT status, attempt, retries, rescues, progress,
          rate_limit_attempts AS "rateLimits",
          (SELECT count(*) FROM outbox WHERE key = tasks.id) AS "wakeUps",
          (${call}) AS call,
          (SELECT ${kept} FROM tasks WHERE id = ${childId}) AS child,
          (SELECT ${kept} FROM tasks WHERE parent_task_id = ${childId}) AS grandchild
        FROM tasks WHERE id = ${taskId}`,
  )
  return row
}

async function livesAsModelled(steps: readonly Step[]): Promise<void> {
  const { id: taskId } = await submitted(world)
  const { id: childId } = await submitted(world, { parentTaskId: taskId })
  await submitted(world, { parentTaskId: childId })
  const chain = { taskId, childId }
  let model: Model = {
    status: 'pending',
    attempt: 0,
    retries: 0,
    rescues: 0,
    progress: 0,
    rateLimits: 0,
    wakeUps: 1,
    call: null,
    child: waiting,
    grandchild: waiting,
  }
  for (const step of steps) {
    const next = expected(model, step)
    const hadEffect = await perform(chain, model.attempt, step)
    if (hadEffect !== (next !== undefined)) throw new Error(`${step.kind}: effect ${hadEffect}`)
    const isMove = next !== undefined && next.status !== model.status
    if (isMove && !isLegalTransition(model.status, next.status)) throw new Error('illegal move')
    model = next ?? model
    const found = JSON.stringify(await readModel(chain))
    if (found !== JSON.stringify(model)) throw new Error(`${step.kind}: ${found}`)
  }
}

t.test('any sequence of steps leaves a task as the model says', async t => {
  const seed = Date.now()
  t.comment(`fast-check seed ${seed}`)
  const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), livesAsModelled)

  await t.resolves(fc.assert(property, { numRuns: 150, seed }))
})
