import { isId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import {
  AlreadySettled,
  findOverdueReservations,
  release,
  type OverdueReservation,
} from '@funmagic/ledger/reservations'
import { cancelChildren, findStranded, releaseChildren } from '@funmagic/task/chain'
import { failTask } from '@funmagic/task/lifecycle'
import { purgeSent } from '@funmagic/task/outbox'
import {
  findOverdue,
  findPoisoned,
  redispatchLost,
  rescueExpired,
  type StrayTask,
} from '@funmagic/task/sweeps'
import { isFinished } from '@funmagic/task/task-state'
import { findTasks } from '@funmagic/task/tasks'
import type { Announcer } from '../announcer.ts'
import type { Dispatcher } from '../dispatcher.ts'
import { announceEnd, releaseAll } from '../ended-chains.ts'
import type { Events, SweepStep } from '../events.ts'

export interface SweepDeps {
  readonly database: Database
  readonly dispatcher: Pick<Dispatcher, 'nudge'>
  readonly announcer: Announcer
  readonly events: Events
  readonly limits: SweepLimits
}

export interface SweepLimits {
  /** How often a task may lose its worker before it is given up (T11). */
  readonly rescuesMax: number
  /** A wake-up that no claim followed for so long is repeated. */
  readonly redispatchAfterMs: number
  readonly keepSentMs: number
}

const batchSize = 100
const batchesMax = 10

/**
 * Brings every task to an end that its worker did not bring: what lost its worker goes back into
 * the queue, what lost its wake-up gets another, what is past its deadline fails and its credits
 * return. It goes by Postgres alone, so it holds after any loss of Redis (T3, M9). Any number of
 * sweepers may run at once. A step that fails is counted and tried at the next sweep; the others
 * go on.
 */
export async function sweep(deps: SweepDeps): Promise<void> {
  for (const [step, work] of steps) {
    try {
      const count = await work(deps)
      if (count > 0) deps.events.swept(step, count)
    } catch (error) {
      // Postgres is away, or one row is broken: neither may keep the other steps from their work.
      deps.events.sweepFailed(step, error)
    }
  }
  deps.events.sweepEnded()
}

const steps: readonly (readonly [SweepStep, (deps: SweepDeps) => Promise<number>])[] = [
  ['rescue', rescueTasks],
  ['poison', giveUpPoisoned],
  ['deadline', giveUpOverdue],
  ['chain', settleStranded],
  ['redispatch', repeatWakeUps],
  ['orphan', releaseOrphans],
  ['purge', purgeOutbox],
]

async function rescueTasks({ database, dispatcher, limits }: SweepDeps): Promise<number> {
  const { rescuesMax } = limits
  const rescued = await rescueExpired(database, { limit: batchSize * batchesMax, rescuesMax })
  if (rescued.length > 0) dispatcher.nudge()
  return rescued.length
}

async function giveUpPoisoned(deps: SweepDeps): Promise<number> {
  const { rescuesMax } = deps.limits
  return giveUpAll(deps, 'poison', limit => findPoisoned(deps.database, { limit, rescuesMax }))
}

async function giveUpOverdue(deps: SweepDeps): Promise<number> {
  return giveUpAll(deps, 'deadline', limit => findOverdue(deps.database, { limit }))
}

async function repeatWakeUps({ database, dispatcher, limits }: SweepDeps): Promise<number> {
  const options = { limit: batchSize * batchesMax, olderThanMs: limits.redispatchAfterMs }
  const lost = await redispatchLost(database, options)
  if (lost.length > 0) dispatcher.nudge()
  return lost.length
}

/**
 * A reservation and its task are written and settled together, so one past its deadline without
 * an open task is a fault of ours. Its owner gets the credits back, and the event pages somebody.
 */
async function releaseOrphans(deps: SweepDeps): Promise<number> {
  const overdue = await findOverdueReservations(deps.database, { limit: batchSize })
  const taskIds = overdue.map(reservation => reservation.referenceId).filter(isId)
  const tasks = await findTasks(deps.database, taskIds)
  const open = new Set(tasks.filter(task => !isFinished(task.status)).map(task => task.id))
  let count = 0
  for (const reservation of overdue) {
    if (open.has(reservation.referenceId)) continue
    if (await releaseOrphan(deps, reservation)) count += 1
  }
  return count
}

/** Nothing strands while every release knows chains; see findStranded. */
async function settleStranded(deps: SweepDeps): Promise<number> {
  const stranded = await findStranded(deps.database, { limit: batchSize })
  for (const { parentId, isParentCompleted } of stranded) {
    const canceled = await inTransaction(deps.database, async tx => {
      if (isParentCompleted) await releaseChildren(tx, parentId)
      const children = isParentCompleted ? [] : await cancelChildren(tx, parentId)
      for (const child of children) await release(tx, child.reservationId)
      return children
    })
    for (const child of canceled) deps.announcer.taskCanceled(child)
  }
  if (stranded.length > 0) deps.dispatcher.nudge()
  return stranded.length
}

async function purgeOutbox({ database, limits }: SweepDeps): Promise<number> {
  const limit = batchSize * batchesMax
  return purgeSent(database, { olderThanMs: limits.keepSentMs, limit })
}

type GiveUpStep = keyof typeof codeOfStep
const codeOfStep = { poison: 'POISON', deadline: 'DEADLINE_EXCEEDED' } as const

async function giveUpAll(
  deps: SweepDeps,
  step: GiveUpStep,
  find: (limit: number) => Promise<StrayTask[]>,
): Promise<number> {
  let count = 0
  for (let batch = 0; batch < batchesMax; batch++) {
    const strays = await find(batchSize)
    let failed = 0
    for (const stray of strays) {
      if (await giveUp(deps, step, stray)) failed += 1
    }
    count += failed
    if (strays.length < batchSize || failed === 0) break
  }
  return count
}

/** The task's end and the return of its credits are one commit (M6); its event follows it. */
async function giveUp(
  deps: SweepDeps,
  step: GiveUpStep,
  { taskId, userId }: StrayTask,
): Promise<boolean> {
  const code = codeOfStep[step]
  try {
    const finished = await inTransaction(deps.database, async tx => {
      const task = await failTask(tx, { taskId, code })
      if (task !== undefined) await releaseAll(tx, task)
      return task
    })
    if (finished === undefined) return false
    deps.events.taskGivenUp(finished, code)
    announceEnd(deps, finished, () => deps.announcer.taskFailed({ taskId, userId }, code))
    return true
  } catch (error) {
    // One task must not keep the sweeper from the others; it is tried again at the next sweep.
    deps.events.sweepFailed(step, error, taskId)
    return false
  }
}

async function releaseOrphan(deps: SweepDeps, orphan: OverdueReservation): Promise<boolean> {
  try {
    await inTransaction(deps.database, tx => release(tx, orphan.reservationId))
  } catch (error) {
    // Its task ended between the two reads, so it was no orphan.
    if (error instanceof AlreadySettled) return false
    throw error
  }
  deps.events.orphanReleased(orphan)
  deps.announcer.balanceChanged(orphan.userId)
  return true
}
