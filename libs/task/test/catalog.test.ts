import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import {
  findTool,
  listTools,
  readStep,
  requireStepOrder,
  saveTool,
  type NewTool,
  type Tool,
} from '../src/catalog.ts'
import { cancelTask, completeTask, failTask } from '../src/lifecycle.ts'
import { createTestTool } from '../src/testing.ts'
import { claimed, createTaskWorld, createUser, submitted } from './task-fixture.ts'

const { database } = await createTestDatabase(t)
const world = await createTaskWorld(database)
const figure = await createTestTool(database, { slug: 'figure', stepIds: ['image', 'model'] })
const [image, model] = [readStep(figure, 'image'), readStep(figure, 'model')]

function toNewTool({ id: _id, version: _version, type, ...tool }: Tool): NewTool {
  return { ...tool, typeName: type.name }
}

async function completed(tool: Tool, stepId: string) {
  const task = await claimed({ ...world, tool }, { step: readStep(tool, stepId) })
  const completion = { taskId: task.id, attempt: 1, output: { assetIds: [] } }
  await inTransaction(database, tx => completeTask(tx, completion))
  return task.id
}

const order = (stepId: string, parentTaskId?: string, userId = world.userId) =>
  requireStepOrder(database, { userId, tool: figure, step: readStep(figure, stepId), parentTaskId })

t.test('users see active tools only; a slug finds any', async t => {
  const hidden = await createTestTool(database, { slug: 'hidden', isActive: false })

  const slugs = (await listTools(database)).map(tool => tool.slug)

  t.ok(slugs.includes('figure'))
  t.notOk(slugs.includes('hidden'))
  t.strictSame(await findTool(database, 'hidden'), hidden)
  t.equal(await findTool(database, 'nothing'), undefined)
})

t.test('the step is the one named, or the first', async t => {
  t.equal(readStep(figure).id, 'image')
  t.equal(readStep(figure, 'model').id, 'model')
  t.throws(() => readStep(figure, 'other'), {
    code: 'VALIDATION_FAILED',
    details: { field: 'stepId', suggestion: /image, model/ },
  })
})

t.test('saving a tool raises its version only when something differs', async t => {
  const tool = toNewTool(await createTestTool(database, { slug: 'versioned' }))

  const same = await saveTool(database, tool)
  const changed = await saveTool(database, { ...tool, title: 'Another title' })

  t.equal(same.version, 1)
  t.match(changed, { id: same.id, version: 2, title: 'Another title' })
})

t.test('a tool of another form or type is refused', async t => {
  const tool = toNewTool(figure)

  await t.rejects(saveTool(database, { ...tool, config: { steps: [] } }), {
    code: 'VALIDATION_FAILED',
    details: { field: 'config' },
  })
  await t.rejects(saveTool(database, { ...tool, typeName: 'nothing' }), {
    code: 'VALIDATION_FAILED',
    details: { field: 'typeName' },
  })
})

t.test('a stored config of another form is a failure, not a guess', async t => {
  await createTestTool(database, { slug: 'broken', isActive: false })
  await database.query(sql`UPDATE tools SET config = '{"steps":[{}]}' WHERE slug = 'broken'`)

  await t.rejects(findTool(database, 'broken'), /config of tool broken is not valid/)
})

t.test('a task keeps the step as it was when it was submitted (T7)', async t => {
  const tool = await createTestTool(database, { slug: 'keeps' })
  const task = await submitted({ ...world, tool })

  await createTestTool(database, { slug: 'keeps', cost: 99 })

  t.match(task, { toolVersion: 1, step: { cost: 5 } })
})

t.test('a first step needs no parent; a later one needs the step before', async t => {
  const parent = await completed(figure, image.id)
  const open = await submitted({ ...world, tool: figure }, { step: image })

  await order('image')
  await order('model', parent)
  await t.rejects(order('model'), { code: 'STEP_ORDER' })
  t.equal((await order('model', open.id))?.id, open.id)
  await t.rejects(order('image', open.id), { code: 'STEP_ORDER' })
})

t.test('a parent that has failed or was canceled has no next step', async t => {
  for (const end of ['failed', 'canceled'] as const) {
    const { id: taskId } = await submitted({ ...world, tool: figure }, { step: image })
    await inTransaction(database, tx =>
      end === 'failed'
        ? failTask(tx, { taskId, code: 'POISON' })
        : cancelTask(tx, { taskId, userId: world.userId, whileProcessing: false }),
    )

    await t.rejects(order('model', taskId), { code: 'STEP_ORDER' })
  }
})

t.test('a parent of another tool or step does not count', async t => {
  const other = await createTestTool(database, { stepIds: ['image', 'model'] })

  await t.rejects(order('model', await completed(other, 'image')), { code: 'STEP_ORDER' })
  await t.rejects(order('model', await completed(figure, model.id)), { code: 'STEP_ORDER' })
})

t.test("another user's task is no parent, and neither is one that is not there", async t => {
  const parent = await completed(figure, image.id)
  const stranger = await createUser(database)

  await t.rejects(order('model', parent, stranger), { code: 'NOT_FOUND' })
  await t.rejects(order('image', newId()), { code: 'NOT_FOUND' })
})
