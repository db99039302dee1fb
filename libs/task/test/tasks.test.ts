import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { createTestDatabase } from '@funmagic/database/testing'
import { findInput, findTask, findTasks, listTasks } from '../src/tasks.ts'
import { createTestTool } from '../src/testing.ts'
import { claimed, createTaskWorld, createUser, submitted } from './task-fixture.ts'

const { database } = await createTestDatabase(t)
const world = await createTaskWorld(database)

t.test("another user's task looks like one that is not there", async t => {
  const { id } = await submitted(world)
  const stranger = await createUser(database)

  t.equal(await findTask(database, { userId: stranger, taskId: id }), undefined)
  t.equal(await findTask(database, { userId: world.userId, taskId: newId() }), undefined)
  t.match(await findTask(database, { userId: world.userId, taskId: id }), { id })
})

t.test('a task read back has nothing but its documented fields', async t => {
  const task = await submitted(world, { idempotency: { key: 'k', requestHash: 'a'.repeat(64) } })

  const found = await findTask(database, { userId: world.userId, taskId: task.id })

  t.strictSame(found, task)
})

t.test('tasks of many users are found by their ids', async t => {
  const mine = await submitted(world)
  const theirs = await submitted({ ...world, userId: await createUser(database) })

  const found = await findTasks(database, [mine.id, theirs.id, newId()])

  t.strictSame(new Set(found.map(task => task.id)), new Set([mine.id, theirs.id]))
  t.strictSame(await findTasks(database, []), [])
})

t.test('more ids than a query should carry are refused', async t => {
  const ids = Array.from({ length: 501 }, () => newId())

  await t.rejects(findTasks(database, ids), { name: 'AssertionError' })
})

t.test('the input of a task is found by its id', async t => {
  const { id } = await submitted(world, { input: { prompt: 'a fox' } })

  t.strictSame(await findInput(database, id), { prompt: 'a fox' })
  t.equal(await findInput(database, newId()), undefined)
})

t.test('the list is paged newest first and holds the own tasks only', async t => {
  const userId = await createUser(database)
  const own = { ...world, userId }
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.unshift((await submitted(own)).id)
  await submitted(world)

  const first = await listTasks(database, { userId }, { limit: 3, beforeId: undefined })
  const beforeId = first.nextCursor ?? undefined
  const second = await listTasks(database, { userId }, { limit: 3, beforeId })

  t.strictSame(
    [...first.items, ...second.items].map(task => task.id),
    ids,
  )
  t.equal(second.nextCursor, null)
})

t.test('the list can be filtered by status and by tool', async t => {
  const userId = await createUser(database)
  const tool = await createTestTool(database)
  const running = await claimed({ ...world, userId })
  const other = await submitted({ ...world, userId, tool })
  const page = { limit: 10, beforeId: undefined }

  const byStatus = await listTasks(database, { userId, status: 'processing' }, page)
  const byTool = await listTasks(database, { userId, toolSlug: tool.slug }, page)

  t.strictSame(
    byStatus.items.map(task => task.id),
    [running.id],
  )
  t.strictSame(
    byTool.items.map(task => task.id),
    [other.id],
  )
})
