import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { taskStatuses, type TaskStatus } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { sqlStateOf } from '@funmagic/database/transaction'
import { failureMessages, isFinished, isLegalTransition } from '../src/task-state.ts'
import { createTaskWorld, submitted } from './task-fixture.ts'

const page = await readFile(join(import.meta.dirname, '../../../docs/task-states.md'), 'utf8')
const pairs = taskStatuses.flatMap(from => taskStatuses.map(to => [from, to] as const))

/** Puts a task into a status past the trigger, then lets the trigger judge the transition. */
async function allows(database: Database, taskId: string, from: TaskStatus, to: TaskStatus) {
  const client = await database.pool.connect()
  try {
    await client.query('BEGIN')
    await client.query('SET LOCAL session_replication_role = replica')
    await client.query(move(from, taskId))
    await client.query('SET LOCAL session_replication_role = origin')
    await client.query(move(to, taskId))
    return true
  } catch (error) {
    if (sqlStateOf(error) === '23514') return false
    throw error
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

function move(status: TaskStatus, taskId: string): string {
  return `UPDATE tasks SET status = '${status}',
    lease_until = ${status === 'processing' ? 'now()' : 'NULL'},
    finished_at = ${isFinished(status) ? 'now()' : 'NULL'},
    error_code = ${status === 'failed' ? "'INTERNAL_ERROR'" : 'NULL'} WHERE id = '${taskId}'`
}

t.test('the trigger allows exactly the transitions of the table', async t => {
  const { database } = await createTestDatabase(t)
  const { id } = await submitted(await createTaskWorld(database))

  for (const [from, to] of pairs.filter(([from, to]) => from !== to)) {
    t.equal(await allows(database, id, from, to), isLegalTransition(from, to), `${from} → ${to}`)
  }
})

t.test('no state follows itself, and final states have no successor', async t => {
  for (const status of taskStatuses) t.notOk(isLegalTransition(status, status))
  t.strictSame(taskStatuses.filter(isFinished), ['completed', 'failed', 'canceled'])
})

t.test('the database has the transitions of the table as rows', async t => {
  const { database } = await createTestDatabase(t)

  const { rows } = await database.query<{ pair: string }>(
    sql`SELECT from_status || ' ' || to_status AS pair FROM task_transitions`,
  )

  t.strictSame(rows.map(row => row.pair).sort(), legalPairs())
})

t.test('docs/task-states.md shows the same transitions, in the diagram and the table', async t => {
  const drawn = page.matchAll(/^ {2}([a-z]+) --> ([a-z]+):/gm)
  const listed = page.matchAll(/^\| (pending|processing) +\| ([a-z]+) +\|/gm)

  t.strictSame(new Set(pairsOf(drawn)), new Set(legalPairs()))
  t.strictSame(new Set(pairsOf(listed)), new Set(legalPairs()))
})

t.test('docs/task-states.md lists the codes of failures, and no other', async t => {
  const listed = [...page.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code)

  t.strictSame(listed, Object.keys(failureMessages))
})

function legalPairs(): string[] {
  const legal = pairs.filter(([from, to]) => isLegalTransition(from, to))
  return legal.map(([from, to]) => `${from} ${to}`).sort()
}

function pairsOf(matches: Iterable<RegExpMatchArray>): string[] {
  return [...matches].map(([, from, to]) => `${from} ${to}`).sort()
}
