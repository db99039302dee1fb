import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { readUserEvents } from '@funmagic/task/progress-channel'
import { saveTool } from '@funmagic/task/catalog'
import { findInput } from '@funmagic/task/tasks'
import t from 'tap'
import {
  addUser,
  cdnUrl,
  get,
  keyFor,
  openGateway,
  privateCdnUrl,
  submit,
  until,
} from './gateway-app.ts'
import { addAsset, complete, countEffects, findUnsettled } from './rows.ts'

const gateway = await openGateway(t)
const { database, redis, metrics, nudges, tools } = gateway

t.test('a submitted task is pending, paid for, and on its way to the queue', async t => {
  const { user, cookie } = await addUser(gateway)
  const assetId = await addAsset(database, user.id, { storageKey: keyFor(user.id) })
  const nudgesBefore = nudges.count

  const body = { toolSlug: 'background-remove', input: { assetId } }
  const response = await submit(gateway, body, { cookie })

  t.equal(response.statusCode, 201)
  const { task, statusUrl, streamUrl, cancelUrl } = response.json()
  t.match(task, { toolSlug: 'background-remove', stepId: 'only', status: 'pending' })
  t.match(task, { creditsCost: 5, progress: 0, error: null, output: null, finishedAt: null })
  t.equal(statusUrl, `/api/tasks/${task.id}`)
  t.equal(streamUrl, `/api/tasks/${task.id}/stream`)
  t.equal(cancelUrl, `/api/tasks/${task.id}/cancel`)
  t.match(await balanceOf(database, user.id), { balance: 95, reservedBalance: 5 })
  t.same(await countEffects(database, user.id), { tasks: 1, reservations: 1, wakeUps: 1 })
  t.equal(nudges.count, nudgesBefore + 1)
  t.match(
    await metrics.registry.metrics(),
    /task_submissions_total\{tool="background-remove".*\} 1/,
  )
})

t.test('the reservation names the task and ends when the task does', async t => {
  const { user, cookie } = await addUser(gateway)
  const body = { toolSlug: 'painter', input: { prompt: 'a cat' } }

  const { task } = (await submit(gateway, body, { cookie })).json()

  const { rows } = await database.query<object>(sql`
    SELECT r.reference_id, r.deadline_at = t.deadline_at AS same_end,
      t.deadline_at BETWEEN now() + interval '899 s' AND now() + interval '901 s' AS in_time
    FROM credit_reservations r JOIN tasks t ON t.reservation_id = r.id WHERE t.user_id = ${user.id}
  `)
  t.same(rows, [{ reference_id: task.id, same_end: true, in_time: true }])
})

t.test('the user’s stream tells the balance that is left', async t => {
  const { user, cookie } = await addUser(gateway)

  await submit(gateway, { toolSlug: 'painter', input: { prompt: 'a cat' } }, { cookie })

  await until(async () => (await readUserEvents(redis, user.id)).events.length > 0)
  const { events } = await readUserEvents(redis, user.id)
  t.match(events, [{ event: { type: 'balance', balance: 80, reservedBalance: 20 } }])
})

t.test('a picture is recorded as an own asset, in whichever way it is named', async t => {
  const { user, cookie } = await addUser(gateway)
  const privateKey = keyFor(user.id)
  const publicKey = `public/shared/${user.id}/post/cat.png`
  const assetId = await addAsset(database, user.id, { storageKey: privateKey })
  const published = { storageKey: publicKey, visibility: 'public' } as const
  const publicId = await addAsset(database, user.id, published)
  const rows: [object, string][] = [
    [{ assetId }, assetId],
    [{ imageStorageKey: privateKey }, assetId],
    [{ imageUrl: `${privateCdnUrl}/${privateKey}?Expires=1&Signature=x` }, assetId],
    [{ imageUrl: `${cdnUrl}/${publicKey}` }, publicId],
  ]

  for (const [input, expected] of rows) {
    const response = await submit(gateway, { toolSlug: 'background-remove', input }, { cookie })
    t.equal(response.statusCode, 201, JSON.stringify(input))
    t.same(await findInput(database, response.json().task.id), { assetId: expected })
  }
})

t.test('the words of a style are recorded with the task, which keeps them', async t => {
  const { cookie } = await addUser(gateway)
  const { painter } = tools
  const anime = { id: 'anime', name: 'Anime', prompt: 'In anime style.' }
  const config = { ...painter.config, styleReferences: [anime] }
  await saveTool(database, { ...painter, typeName: painter.type.name, config })
  const send = (input: object) => submit(gateway, { toolSlug: 'painter', input }, { cookie })

  const both = await send({ prompt: 'A cat.', styleReferenceId: 'anime' })
  const alone = await send({ styleReferenceId: 'anime' })
  const unknown = await send({ prompt: 'A cat.', styleReferenceId: 'oil' })

  const inputOf = (response: typeof both) => findInput(database, response.json().task.id)
  t.same(await inputOf(both), { prompt: 'A cat.\n\nIn anime style.' })
  t.same(await inputOf(alone), { prompt: 'In anime style.' })
  t.equal(unknown.statusCode, 422)
  t.match(unknown.json().error, { details: { field: 'input.styleReferenceId' } })
})

t.test('a later step follows its parent and takes the picture that it made', async t => {
  const { cookie } = await addUser(gateway)
  const first = { toolSlug: 'painter', stepId: 'sketch', input: { prompt: 'a cat' } }
  const parentTaskId = (await submit(gateway, first, { cookie })).json().task.id
  const next = { toolSlug: 'painter', stepId: 'finish', input: { prompt: 'more' } }

  const orphan = await submit(gateway, next, { cookie })
  const pictureId = await complete(database, parentTaskId)
  const inTurn = await submit(gateway, { ...next, parentTaskId }, { cookie })

  t.match(orphan.json().error, { code: 'STEP_ORDER' })
  t.equal(inTurn.statusCode, 201)
  t.match(inTurn.json().task, { parentTaskId, waitsForParent: false })
  const input = await findInput(database, inTurn.json().task.id)
  t.same(input, { assetId: pictureId, prompt: 'more' })
})

t.test('a step ordered ahead is paid for, waits, and is woken when its parent is done', async t => {
  const { user, cookie } = await addUser(gateway)
  const first = { toolSlug: 'painter', stepId: 'sketch', input: { prompt: 'a cat' } }
  const parentTaskId = (await submit(gateway, first, { cookie })).json().task.id
  const next = { toolSlug: 'painter', stepId: 'finish', parentTaskId, input: { prompt: 'more' } }

  const { task } = (await submit(gateway, next, { cookie })).json()
  const [before, parent] = [await countEffects(database, user.id), { cookie }]
  await complete(database, parentTaskId)

  t.match(task, { status: 'pending', waitsForParent: true, parentTaskId })
  t.same(before, { tasks: 2, reservations: 2, wakeUps: 1 })
  t.same(await countEffects(database, user.id), { tasks: 2, reservations: 2, wakeUps: 2 })
  t.match((await get(gateway, `/api/tasks/${task.id}`, parent)).json().task, {
    waitsForParent: false,
  })
  const shown = (await get(gateway, `/api/tasks/${parentTaskId}`, parent)).json().task
  t.match(shown.children, [{ id: task.id, stepId: 'finish', status: 'pending', creditsCost: 20 }])
  const listed = await get(gateway, `/api/tasks?parentTaskId=${parentTaskId}`, parent)
  t.match(listed.json().items, [{ id: task.id }])
  t.equal(listed.json().items.length, 1)
})

t.test(
  'a step that needs a picture takes the one that its parent will make; a foreign parent is none',
  async t => {
    const { user, cookie } = await addUser(gateway)
    await tools.addTool({ slug: 'twice', stepIds: ['cut', 'again'] })
    const assetId = await addAsset(database, user.id, { storageKey: keyFor(user.id) })
    const send = (body: object) => submit(gateway, { toolSlug: 'twice', ...body }, { cookie })
    const parentTaskId = (await send({ input: { assetId } })).json().task.id

    const inherits = await send({ stepId: 'again', parentTaskId, input: {} })
    const foreign = await send({ stepId: 'again', parentTaskId: newId(), input: {} })

    t.equal(inherits.statusCode, 201)
    t.match(foreign.json().error, { code: 'NOT_FOUND', details: { field: 'parentTaskId' } })
  },
)

t.test('without enough credits nothing is written', async t => {
  const { user, cookie } = await addUser(gateway, 19)

  const body = { toolSlug: 'painter', input: { prompt: 'a cat' } }
  const response = await submit(gateway, body, { cookie, key: newId() })

  t.equal(response.statusCode, 402)
  t.equal(response.json().error.code, 'INSUFFICIENT_CREDITS')
  t.same(await countEffects(database, user.id), { tasks: 0, reservations: 0, wakeUps: 0 })
  t.match(await balanceOf(database, user.id), { balance: 19, reservedBalance: 0 })
})

t.test('what the model cannot honour is refused before it is paid for', async t => {
  const { user, cookie } = await addUser(gateway)
  const assetId = await addAsset(database, user.id, { storageKey: keyFor(user.id) })
  const ply = { storageKey: `private/${user.id}/m/a.ply`, mimeType: 'model/ply' }
  const modelId = await addAsset(database, user.id, ply)
  await tools.addTool({ slug: 'unrunnable', providerModel: 'nobody/runs-this' })
  await tools.addTool({ slug: 'gone', providerId: newId() })
  const rows: [string, object, string][] = [
    ['background-remove', {}, 'input.assetId'],
    ['background-remove', { assetId, imageStorageKey: keyFor(user.id) }, 'input.imageStorageKey'],
    ['background-remove', { assetId: modelId }, 'input.assetId'],
    ['painter', {}, 'input.prompt'],
    ['painter', { prompt: ' \n\u200b\u0007 ' }, 'input.prompt'],
    ['unrunnable', { assetId }, 'stepId'],
    ['gone', { assetId }, 'stepId'],
  ]

  for (const [toolSlug, input, field] of rows) {
    const response = await submit(gateway, { toolSlug, input }, { cookie })
    t.equal(response.statusCode, 422, toolSlug)
    t.match(response.json().error, { code: 'INVALID_INPUT', details: { field } })
  }
  t.same(await countEffects(database, user.id), { tasks: 0, reservations: 0, wakeUps: 0 })
})

t.test('what the model does not take is a 400 that names it, before it is paid for', async t => {
  const { user, cookie } = await addUser(gateway)
  const assetId = await addAsset(database, user.id, { storageKey: keyFor(user.id) })
  const words = { prompt: 'a cat' }
  const rows: [string, object, string][] = [
    ['background-remove', { assetId, ...words }, 'input.prompt'],
    ['background-remove', { assetId, size: '1024x1024' }, 'input.size'],
    ['painter', { ...words, size: '31x31' }, 'input.size'],
    ['painter', { ...words, seed: 1 }, 'input.seed'],
    ['painter', { ...words, negativePrompt: 'a dog' }, 'input.negativePrompt'],
    ['painter', { ...words, maskAssetId: assetId }, 'input.maskAssetId'],
  ]

  for (const [toolSlug, input, field] of rows) {
    const response = await submit(gateway, { toolSlug, input }, { cookie })
    t.equal(response.statusCode, 400, field)
    t.match(response.json().error, { code: 'UNSUPPORTED_INPUT', details: { field } })
  }
  t.same(await countEffects(database, user.id), { tasks: 0, reservations: 0, wakeUps: 0 })
})

t.test('a mask is the user’s own, a PNG, and as large as the picture', async t => {
  const { user, cookie } = await addUser(gateway)
  const stranger = await addUser(gateway)
  const add = (mimeType?: string) =>
    addAsset(database, user.id, { storageKey: keyFor(user.id), ...(mimeType && { mimeType }) })
  const assetId = await add()
  const order = (maskAssetId: string) => ({
    toolSlug: 'painter',
    input: { prompt: 'a cat', assetId, maskAssetId },
  })
  const foreign = await addAsset(database, stranger.user.id, {
    storageKey: keyFor(stranger.user.id),
  })

  const good = await submit(gateway, order(await add()), { cookie })
  const jpeg = await submit(gateway, order(await add('image/jpeg')), { cookie })
  const theirs = await submit(gateway, order(foreign), { cookie })
  const nobodys = await submit(gateway, order(newId()), { cookie })

  t.strictSame(
    [good, jpeg, theirs, nobodys].map(({ statusCode }) => statusCode),
    [201, 422, 404, 404],
  )
  t.same(theirs.json().error.details, nobodys.json().error.details)
})

t.test('after all this tasks and credits agree', async t => {
  t.same(await findUnsettled(database), [])
})
