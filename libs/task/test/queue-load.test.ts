import t from 'tap'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { handBack } from '../src/lifecycle.ts'
import { countOpenByTool, countOpenOf, readQueueLoad } from '../src/queue-load.ts'
import { claimed, createTaskWorld, submitted } from './task-fixture.ts'

t.test('what waits is what a worker could take now, and since when it could', async t => {
  const { database } = await createTestDatabase(t)
  const world = await createTaskWorld(database)
  t.same(await readQueueLoad(database, { countMax: 10 }), { waiting: 0, oldestWaitMs: 0 })
  const { id: taskId } = await submitted(world)
  await submitted(world, { parentTaskId: taskId })
  await claimed(world)
  const later = await claimed(world)
  const claim = { taskId: later.id, attempt: later.attempt }
  await handBack(database, { ...claim, delayMs: 60_000, counts: 'retry' })
  await database.query(sql`
    UPDATE tasks SET ready_at = now() - interval '90 s' WHERE id = ${taskId}
  `)

  const load = await readQueueLoad(database, { countMax: 10 })

  t.equal(load.waiting, 1)
  t.ok(load.oldestWaitMs >= 90_000 && load.oldestWaitMs < 150_000)
  const [tool] = await countOpenByTool(database)
  t.match(tool, { toolSlug: world.tool.slug, pending: 3, processing: 1 })
})

t.test('counting stops where it is enough', async t => {
  const { database } = await createTestDatabase(t)
  const world = await createTaskWorld(database)
  for (let i = 0; i < 5; i++) await submitted(world)

  t.match(await readQueueLoad(database, { countMax: 3 }), { waiting: 3 })
  t.equal(await countOpenOf(database, { userId: world.userId, countMax: 4 }), 4)
  t.equal(await countOpenOf(database, { userId: world.userId, countMax: 9 }), 5)
})
