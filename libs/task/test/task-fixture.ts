import { setTimeout as wait } from 'node:timers/promises'
import { newId, type ReservationId, type TaskId, type UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import type { Tool } from '../src/catalog.ts'
import { claimTask, type ClaimedTask } from '../src/lifecycle.ts'
import { recordTask, type Hold, type NewTask, type Submission } from '../src/submission.ts'
import type { Task } from '../src/tasks.ts'
import { createTestTool } from '../src/testing.ts'

export interface TaskWorld {
  readonly database: Database
  readonly userId: UserId
  readonly tool: Tool
}

/** A user and a tool to submit tasks with. */
export async function createTaskWorld(database: Database): Promise<TaskWorld> {
  return { database, userId: await createUser(database), tool: await createTestTool(database) }
}

export async function createUser(database: Database): Promise<UserId> {
  const userId: UserId = newId()
  await database.query(sql`
    INSERT INTO users (id, email, name) VALUES (${userId}, ${`${userId}@example.com`}, 'Ada')
  `)
  return userId
}

export function newTask(world: TaskWorld, changes: Partial<NewTask> = {}): NewTask {
  const [step] = world.tool.config.steps
  if (!step) throw new Error('the tool has no step')
  return {
    userId: world.userId,
    tool: world.tool,
    step,
    creditsCost: 5,
    input: { prompt: 'a cat' },
    requestId: 'request-1',
    timeoutMs: 60_000,
    ...changes,
  }
}

/** What the ledger does for a submission, as far as a task sees it: a row to point at. */
async function placeReservation(
  tx: Transaction,
  userId: UserId,
  hold: Hold,
): Promise<{ reservationId: ReservationId }> {
  const reservationId: ReservationId = newId()
  await tx.query(sql`
    INSERT INTO credit_reservations (id, user_id, reference_id, amount, deadline_at)
    VALUES (${reservationId}, ${userId}, ${hold.taskId}, 5, ${hold.deadlineAt})
  `)
  return { reservationId }
}

export function submit(world: TaskWorld, changes: Partial<NewTask> = {}): Promise<Submission> {
  const task = newTask(world, changes)
  return inTransaction(world.database, tx =>
    recordTask(tx, task, hold => placeReservation(tx, task.userId, hold)),
  )
}

export async function submitted(world: TaskWorld, changes: Partial<NewTask> = {}): Promise<Task> {
  return (await submit(world, changes)).task
}

export async function claimed(world: TaskWorld, changes: Partial<NewTask> = {}) {
  const { id } = await submitted(world, changes)
  return claim(world.database, id)
}

export async function claim(database: Database, taskId: TaskId): Promise<ClaimedTask> {
  const task = await claimTask(database, { taskId, leaseMs: 30_000 })
  if (!task) throw new Error(`task ${taskId} cannot be claimed`)
  return task
}

/** What the clock does in a minute, for one task. */
export async function expireLease(database: Database, taskId: TaskId): Promise<void> {
  await database.query(
    sql`UPDATE tasks SET lease_until = now() - interval '1 second' WHERE id = ${taskId}`,
  )
}

export async function passDeadline(database: Database, taskId: TaskId): Promise<void> {
  await database.query(
    sql`UPDATE tasks SET deadline_at = now() - interval '1 second' WHERE id = ${taskId}`,
  )
}

export async function rowsOf(database: Database, statement: ReturnType<typeof sql>) {
  const { rows } = await database.query<Record<string, unknown>>(statement)
  return rows
}

/** Waits until the condition holds, at most ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (performance.now() < deadline) {
    if (await condition()) return
    await wait(10)
  }
  throw new Error(`still not so after 10 s: ${condition}`)
}
