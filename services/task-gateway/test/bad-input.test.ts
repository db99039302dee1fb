import { newId } from '@funmagic/contract/ids'
import t from 'tap'
import { addUser, get, openGateway, post, submit } from './gateway-app.ts'
import { countEffects } from './rows.ts'

const gateway = await openGateway(t)
const { app, database } = gateway
const { user, cookie } = await addUser(gateway)
const good = { toolSlug: 'painter', input: { prompt: 'a cat' } }

t.test('a malformed submission gets a 4xx that names the fault, and writes nothing', async t => {
  const prompt = (text: string) => ({ toolSlug: 'painter', input: { prompt: text } })
  const rows: [string, unknown, number, string][] = [
    ['broken JSON', '{"toolSlug":', 400, 'INVALID_JSON'],
    ['an array', [good], 400, 'VALIDATION_FAILED'],
    ['a price', { ...good, creditsCost: 1 }, 400, 'VALIDATION_FAILED'],
    ['somebody’s id', { ...good, userId: user.id }, 400, 'VALIDATION_FAILED'],
    ['an unknown part of the input', { ...good, input: { n: 1e6 } }, 400, 'VALIDATION_FAILED'],
    ['a seed with a fraction', { ...good, input: { seed: 1.5 } }, 400, 'VALIDATION_FAILED'],
    ['a seed below 0', { ...good, input: { seed: -1 } }, 400, 'VALIDATION_FAILED'],
    ['a seed as text', { ...good, input: { seed: '1' } }, 400, 'VALIDATION_FAILED'],
    ['a size of no form', { ...good, input: { size: '1024×0' } }, 400, 'VALIDATION_FAILED'],
    ['a mask of no form', { ...good, input: { maskAssetId: 'x' } }, 400, 'VALIDATION_FAILED'],
    ['no tool', { input: {} }, 400, 'VALIDATION_FAILED'],
    ['no input', { toolSlug: 'painter' }, 400, 'VALIDATION_FAILED'],
    ['a number as tool', { ...good, toolSlug: 1 }, 400, 'VALIDATION_FAILED'],
    ['an unknown tool', { ...good, toolSlug: 'never-there' }, 404, 'NOT_FOUND'],
    ['SQL as tool', { ...good, toolSlug: "' OR 1=1 --" }, 404, 'NOT_FOUND'],
    ['an unknown step', { ...good, stepId: 'never-there' }, 400, 'VALIDATION_FAILED'],
    ['a malformed parent', { ...good, parentTaskId: 'x' }, 400, 'VALIDATION_FAILED'],
    ['a malformed asset', { ...good, input: { assetId: '../a' } }, 400, 'VALIDATION_FAILED'],
    ['an empty prompt', prompt(''), 400, 'VALIDATION_FAILED'],
    ['a prompt of 100 000', prompt('a'.repeat(100_000)), 400, 'VALIDATION_FAILED'],
    ['NUL', prompt('a\0b'), 400, 'INVALID_TEXT'],
    ['half a surrogate pair', prompt('\udc00'), 400, 'INVALID_TEXT'],
    ['a polluted prototype', '{"toolSlug":"painter","__proto__":{}}', 400, 'INVALID_JSON'],
    [
      'a long key',
      { ...good, input: { imageStorageKey: 'k'.repeat(1025) } },
      400,
      'VALIDATION_FAILED',
    ],
    ['2 MB', prompt('a'.repeat(2_000_000)), 413, 'PAYLOAD_TOO_LARGE'],
  ]

  for (const [why, body, status, code] of rows) {
    const response = await submit(gateway, body, { cookie })
    t.equal(response.statusCode, status, why)
    t.equal(response.json().error.code, code, why)
  }
  t.same(await countEffects(database, user.id), { tasks: 0, reservations: 0, wakeUps: 0 })
})

t.test('a malformed Idempotency-Key is refused', async t => {
  for (const key of ['', 'k'.repeat(256), 'kéy']) {
    const response = await submit(gateway, good, { cookie, key })
    t.equal(response.statusCode, 400, key)
    t.equal(response.json().error.code, 'INVALID_IDEMPOTENCY_KEY', key)
  }
})

t.test('a malformed id in a path is named as such', async t => {
  for (const id of ['1', newId().toUpperCase(), `${newId()}x`, '%27', '..%2f', 'x'.repeat(150)]) {
    const read = await get(gateway, `/api/tasks/${id}`, { cookie })
    const canceled = await post(gateway, `/api/tasks/${id}/cancel`, { cookie })
    t.same([read.statusCode, canceled.statusCode], [400, 400], id)
    t.equal(read.json().error.code, 'INVALID_ID', id)
  }
})

t.test('a malformed query is refused', async t => {
  const rows: [string, string][] = [
    ['limit=0', 'VALIDATION_FAILED'],
    ['limit=-1', 'VALIDATION_FAILED'],
    ['limit=1000000000', 'VALIDATION_FAILED'],
    ['limit=1&limit=2', 'VALIDATION_FAILED'],
    ['limit=NaN', 'VALIDATION_FAILED'],
    ['status=done', 'VALIDATION_FAILED'],
    ['status=', 'VALIDATION_FAILED'],
    ['userId=1', 'VALIDATION_FAILED'],
    ['cursor=abc', 'INVALID_CURSOR'],
    [`cursor=${newId().toUpperCase()}`, 'INVALID_CURSOR'],
    ['toolSlug=%00', 'INVALID_TEXT'],
  ]

  for (const [query, code] of rows) {
    const response = await get(gateway, `/api/tasks?${query}`, { cookie })
    t.equal(response.statusCode, 400, query)
    t.equal(response.json().error.code, code, query)
  }
})

t.test('a body that is not JSON is refused', async t => {
  for (const contentType of ['text/plain', 'application/x-www-form-urlencoded']) {
    const headers = { cookie, 'content-type': contentType }
    const payload = JSON.stringify(good)
    const response = await app.inject({ method: 'POST', url: '/api/tasks', headers, payload })
    t.equal(response.statusCode, 415, contentType)
  }
})

t.test('another page’s request does not ride on the user’s cookie', async t => {
  const headers = { cookie, origin: 'https://evil.test' }
  const response = await app.inject({ method: 'POST', url: '/api/tasks', headers, payload: good })

  t.equal(response.statusCode, 403)
  t.equal(response.json().error.code, 'CSRF_REJECTED')
})
