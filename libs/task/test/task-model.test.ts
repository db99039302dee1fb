import fc from 'fast-check'
import t from 'tap'
import type { TaskId } from '@funmagic/contract/ids'
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
} from '../src/lifecycle.ts'
import { rescueExpired } from '../src/sweeps.ts'
import { isFinished, isLegalTransition } from '../src/task-state.ts'
import { createTaskWorld, expireLease, rowsOf, submitted } from './task-fixture.ts'

const { database } = await createTestDatabase(t)
const world = await createTaskWorld(database)
const rescuesMax = 2

/** What a task should be, in the simplest form. */
interface Model {
  status: TaskStatus
  attempt: number
  retries: number
  rescues: number
  progress: number
  wakeUps: number
}

/** `staleBy` is how many attempts ago the caller took its claim: 0 is the one that counts. */
const step = fc.record({
  kind: fc.constantFrom(
    ...(['claim', 'claim', 'progress', 'renew', 'complete', 'fail', 'failAny'] as const),
    ...(['cancel', 'cancelRunning', 'handBack', 'retry', 'rescue'] as const),
  ),
  staleBy: fc.constantFrom(0, 0, 0, 1),
  progress: fc.integer({ min: 0, max: 100 }),
})
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

/** Performs the step on the database; true when it says that it had an effect. */
async function perform(taskId: TaskId, attempt: number, step: Step): Promise<boolean> {
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
    case 'retry':
      return isDone(
        handBack(database, {
          ...claim,
          delayMs: 0,
          counts: step.kind === 'retry' ? 'retry' : 'nothing',
        }),
      )
    case 'rescue':
      return rescue(taskId)
  }
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
      return isHeld ? { ...model, status: 'completed', progress: 100 } : undefined
    case 'fail':
      return isHeld ? { ...model, status: 'failed' } : undefined
    case 'failAny':
      return isOpen ? { ...model, status: 'failed' } : undefined
    case 'cancel':
      return model.status === 'pending' ? { ...model, status: 'canceled' } : undefined
    case 'cancelRunning':
      return isOpen ? { ...model, status: 'canceled' } : undefined
    case 'handBack':
    case 'retry':
      return isHeld ? wake(model, { retries: step.kind === 'retry' ? 1 : 0 }) : undefined
    case 'rescue':
      if (model.status !== 'processing' || model.rescues >= rescuesMax) return undefined
      return wake(model, { rescues: 1 })
  }
}

function wake(model: Model, { retries = 0, rescues = 0 }): Model {
  return {
    ...model,
    status: 'pending',
    wakeUps: model.wakeUps + 1,
    retries: model.retries + retries,
    rescues: model.rescues + rescues,
  }
}

async function readModel(taskId: TaskId): Promise<Record<string, unknown> | undefined> {
  const [row] = await rowsOf(
    database,
    sql`SELECT status, attempt, retries, rescues, progress,
          (SELECT count(*) FROM outbox WHERE key = tasks.id) AS "wakeUps"
        FROM tasks WHERE id = ${taskId}`,
  )
  return row
}

async function livesAsModelled(steps: readonly Step[]): Promise<void> {
  const { id } = await submitted(world)
  let model: Model = {
    status: 'pending',
    attempt: 0,
    retries: 0,
    rescues: 0,
    progress: 0,
    wakeUps: 1,
  }
  for (const step of steps) {
    const next = expected(model, step)
    const hadEffect = await perform(id, model.attempt, step)
    if (hadEffect !== (next !== undefined)) throw new Error(`${step.kind}: effect ${hadEffect}`)
    const isMove = next !== undefined && next.status !== model.status
    if (isMove && !isLegalTransition(model.status, next.status)) throw new Error('illegal move')
    model = next ?? model
    const found = JSON.stringify(await readModel(id))
    if (found !== JSON.stringify(model)) throw new Error(`${step.kind}: ${found}`)
  }
}

t.test('any sequence of steps leaves a task as the model says', async t => {
  const seed = Date.now()
  t.comment(`fast-check seed ${seed}`)
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), livesAsModelled)

  await t.resolves(fc.assert(property, { numRuns: 150, seed }))
})
