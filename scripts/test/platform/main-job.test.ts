import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { isId, newId } from '@funmagic/contract/ids'
import { projectFolder } from '../../local/folders.ts'
import { Client, makePicture } from './client.ts'
import { startPlatform, until, type Platform } from './platform.ts'

const run = promisify(execFile)

// Many processes on few cores.
t.setTimeout(300_000)

let opened: Promise<Platform> | undefined

/** One system for the tests of this file; each test brings users of its own. */
function open(): Promise<Platform> {
  opened ??= startPlatform(t, { PROVIDER_LATENCY_MS: '300', TASK_RETRY_DELAY_MS: '50' })
  return opened
}

t.test('a picture goes from sign-up to a public address, and only ever where it may', async t => {
  const { newUser, addresses } = await open()
  const user = await newUser()
  t.same(await user.balance(), { balance: 100, reservedBalance: 0 })

  const original = await user.upload(await makePicture())
  const submitted = await user.submit(original.id)
  const frames = await user.follow(submitted.body.task.id)
  const task = await user.task(submitted.body.task.id)

  t.equal(submitted.status, 201)
  t.equal(frames.filter(({ type }) => type === 'completed').length, 1)
  t.equal(frames.at(-1)?.type, 'completed')
  t.equal(task.status, 'completed')
  t.same(await user.balance(), { balance: 95, reservedBalance: 0 })

  const output = task.output?.assets[0]
  if (output === undefined) throw new Error('the task has no output')
  t.equal(output.visibility, 'private')
  t.ok(output.url.startsWith(addresses.privateCdn))
  const bytes = Buffer.from(await (await fetch(output.url)).arrayBuffer())
  t.equal(createHash('sha256').update(bytes).digest('hex'), output.sha256)

  const published = (await user.send('POST', `/api/assets/${output.id}/publish`)).body
  const fetched = await fetch(published.url)
  t.ok(published.url.startsWith(`${addresses.cdn}/public/`))
  t.equal(new URL(published.url).search, '')
  t.equal(fetched.status, 200)
  t.match(fetched.headers.get('cache-control'), /public.*max-age/)
  const shared = await new Client(addresses.edge).send('GET', `/api/assets/shared/${output.id}`)
  t.equal(shared.body.url, published.url)
})

t.test('the example of an upload does what it says', async t => {
  const { addresses } = await open()
  const folder = t.testdir({ 'cat.png': await makePicture() })
  const example = join(projectFolder, 'docs/examples/upload-an-asset.ts')

  const { stdout } = await run(process.execPath, [example, addresses.edge, `${folder}/cat.png`])

  const [assetId = '', address = ''] = stdout.trim().split(' ')
  t.ok(isId(assetId))
  t.ok(address.startsWith(addresses.privateCdn))
  const shown = await fetch(address)
  t.same([shown.status, shown.headers.get('content-type')], [200, 'image/png'])
})

t.test('a private address is refused unsigned, tampered with, and for another file', async t => {
  const { newUser } = await open()
  const user = await newUser()
  const one = await user.upload(await makePicture())
  const other = await user.upload(await makePicture())
  const signed = new URL(one.url)

  const addresses = {
    unsigned: signed.origin + signed.pathname,
    tampered: one.url.replace(/Signature=(.)/, (_all, c) => `Signature=${c === 'A' ? 'B' : 'A'}`),
    prolonged: one.url.replace(/Expires=\d+/, 'Expires=4102444800'),
    'for another file': new URL(other.url).pathname + signed.search,
    'with another key': one.url.replace(/Key-Pair-Id=[^&]+/, 'Key-Pair-Id=KFOREIGN'),
  }
  t.equal((await fetch(one.url)).status, 200)
  for (const [what, address] of Object.entries(addresses)) {
    const response = await fetch(new URL(address, signed.origin))

    t.equal(response.status, 403, what)
    t.notMatch(await response.text(), /PNG/, what)
  }
})

t.test('a provider that fails costs nothing, and the end is told', async t => {
  const { newUser, script, clearScripts } = await open()
  const user = await newUser()
  const asset = await user.upload(await makePicture())
  await script({ provider: 'fal', mode: 'fail' })

  const { body } = await user.submit(asset.id)
  const frames = await user.follow(body.task.id)
  const task = await user.task(body.task.id)
  await clearScripts()

  t.equal(frames.at(-1)?.type, 'failed')
  t.match(task, { status: 'failed', error: { code: /^PROVIDER_/ }, output: null })
  t.same(await user.balance(), { balance: 100, reservedBalance: 0 })
})

t.test('a provider that is busy for a moment is asked again, and paid once', async t => {
  const { newUser, script, clearScripts, submits } = await open()
  const user = await newUser()
  const asset = await user.upload(await makePicture())
  const before = await submits('fal')
  await script({ provider: 'fal', mode: '500', operation: 'submit', times: 1 })

  const { body } = await user.submit(asset.id)
  await user.follow(body.task.id)
  await clearScripts()

  t.equal((await user.task(body.task.id)).status, 'completed')
  t.equal((await submits('fal')) - before, 1)
  t.same(await user.balance(), { balance: 95, reservedBalance: 0 })
})

t.test('every seeded tool runs to its end', async t => {
  const { newUser } = await open()
  const user = await newUser()
  const assetId = (await user.upload(await makePicture())).id
  const { body: tools } = await user.send('GET', '/api/tools')
  const inputs: Record<string, object> = {
    'background-remove': { assetId },
    figme: { assetId, prompt: 'As a watercolour' },
    'crystal-memory': { assetId },
    'photo-edit': { assetId, prompt: 'Make it snow' },
    'quick-sketch': { prompt: 'A fox' },
  }

  t.same(tools.items.map((tool: { slug: string }) => tool.slug).sort(), Object.keys(inputs).sort())
  for (const [toolSlug, input] of Object.entries(inputs)) {
    const { body } = await user.send('POST', '/api/tasks', { toolSlug, input })
    await user.follow(body.task.id)
    const task = await user.task(body.task.id)

    t.equal(task.status, 'completed', toolSlug)
    t.equal((await fetch(task.output?.assets[0]?.url ?? '')).status, 200, toolSlug)
  }
})

t.test(
  'the steps of a tool are ordered at once, and only the failed one is paid for again',
  async t => {
    const { newUser, script, clearScripts } = await open()
    const user = await newUser()
    const input = { assetId: (await user.upload(await makePicture())).id, prompt: 'A fox' }
    const order = async (body: object) => {
      const { body: reply } = await user.send('POST', '/api/tasks', { toolSlug: 'figme', ...body })
      return String(reply.task.id)
    }
    await script({ provider: 'tripo', mode: 'fail' })

    const first = await order({ input })
    const failed = await order({ stepId: '3d-gen', parentTaskId: first, input: {} })
    await user.follow(failed)
    await clearScripts()
    t.same(
      [(await user.task(first)).status, (await user.task(failed)).status],
      ['completed', 'failed'],
    )
    t.same(await user.balance(), { balance: 80, reservedBalance: 0 })

    const again = await order({ stepId: '3d-gen', parentTaskId: first, input: {} })
    await user.follow(again)
    const model = (await user.task(again)).output?.assets[0]
    t.equal(model?.mimeType, 'model/gltf-binary')
    const bytes = Buffer.from(await (await fetch(model?.url ?? '')).arrayBuffer())
    t.equal(createHash('sha256').update(bytes).digest('hex'), model?.sha256)
    t.same(await user.balance(), { balance: 50, reservedBalance: 0 })
  },
)

t.test('another user’s ids answer like ids that are not there, on every route', async t => {
  const { newUser } = await open()
  const owner = await newUser()
  const stranger = await newUser()
  const asset = await owner.upload(await makePicture())
  const { body } = await owner.submit(asset.id)
  await owner.follow(body.task.id)
  const ticket = await owner.send('POST', '/api/assets/uploads', {
    filename: 'a.png',
    mimeType: 'image/png',
    sizeBytes: 10,
    module: 'a',
  })
  const rows = (taskId: string, assetId: string, uploadId: string) => [
    ['GET', `/api/tasks/${taskId}`],
    ['GET', `/api/tasks/${taskId}/stream`],
    ['POST', `/api/tasks/${taskId}/cancel`],
    ['GET', `/api/assets/${assetId}`],
    ['DELETE', `/api/assets/${assetId}`],
    ['POST', `/api/assets/${assetId}/publish`],
    ['POST', `/api/assets/${assetId}/unpublish`],
    ['GET', `/api/assets/shared/${assetId}`],
    ['POST', `/api/assets/uploads/${uploadId}/complete`],
  ]
  const foreign = rows(body.task.id, asset.id, ticket.body.uploadId)
  const absent = rows(newId(), newId(), newId())

  for (const [index, [method = '', path = '']] of foreign.entries()) {
    const theirs = await stranger.send(method, path)
    const nobodys = await stranger.send(method, absent[index]?.[1] ?? '')

    t.equal(theirs.status, 404, `${method} ${path}`)
    t.equal(theirs.body.error.code, nobodys.body.error.code)
    t.equal(theirs.body.error.message, nobodys.body.error.message)
  }
  t.equal((await stranger.submit(asset.id)).status, 404)
  t.equal((await owner.task(body.task.id)).status, 'completed')
})

t.test('the steering headers choose a group and change nothing else', async t => {
  const { newUser } = await open()
  const user = await newUser()
  const rows = [
    [{}, 'stable'],
    [{ 'x-dev-mode': 'true' }, 'beta'],
    [{ cookie: `${user.cookie}; x-beta-access=true` }, 'beta'],
    [{ cookie: `${user.cookie}; nox-beta-access=trueish` }, 'stable'],
  ] as const

  for (const [headers, group] of rows) {
    const reply = await user.send('GET', '/api/credits', undefined, headers)

    t.equal(reply.headers.get('x-served-by'), group)
    t.match(reply.body, { balance: 100, reservedBalance: 0 })
  }
})

t.test('the merged document has every path of the public API, with examples', async t => {
  const { newUser } = await open()
  const user = await newUser()
  const paths = [
    '/api/auth/sign-up/email',
    '/api/auth/sign-in/email',
    '/api/auth/sign-out',
    '/api/auth/get-session',
    '/api/assets/uploads',
    '/api/assets/uploads/{uploadId}/complete',
    '/api/assets',
    '/api/assets/{assetId}',
    '/api/assets/{assetId}/publish',
    '/api/assets/{assetId}/unpublish',
    '/api/assets/shared',
    '/api/assets/shared/{assetId}',
    '/api/credits',
    '/api/credits/transactions',
    '/api/credits/packages',
    '/api/admin/credits/adjust',
    '/api/tools',
    '/api/tools/{slug}',
    '/api/tasks',
    '/api/tasks/{taskId}',
    '/api/tasks/{taskId}/cancel',
    '/api/tasks/{taskId}/stream',
    '/api/progress/stream',
  ]

  const { body } = await user.send('GET', '/api/openapi.json')

  for (const path of paths) t.ok(path in body.paths, path)
  t.match(JSON.stringify(body), /"examples?":/)
})

t.test('malformed requests to every route answer 4xx', async t => {
  const { newUser } = await open()
  const user = await newUser()
  const { body: document } = await user.send('GET', '/api/openapi.json')
  const bodies = ['{', '[]', 'null', '"text"', '{"a":1}', '{"toolSlug":7}', '{"\\u0000":1}']

  for (const [path, methods] of Object.entries<Record<string, unknown>>(document.paths)) {
    // These read no body.
    if (/\/(sign-out|session-cookies)$/.test(path)) continue
    const target = path.replace(/\{slug\}/, '%00').replaceAll(/\{\w+\}/g, 'nonsense')
    for (const method of Object.keys(methods).filter(name => name !== 'get')) {
      for (const payload of bodies) {
        const response = await fetch(user.edge + target, {
          method: method.toUpperCase(),
          headers: { 'content-type': 'application/json', cookie: user.cookie },
          body: payload,
        })
        const { status } = response
        await response.body?.cancel()

        t.ok(status >= 400 && status < 500, `${method} ${target} ${payload}: ${status}`)
      }
    }
  }
})

t.test('a task that is still waiting can be canceled, and its credits come back', async t => {
  const { newUser, script, clearScripts } = await open()
  const user = await newUser()
  const asset = await user.upload(await makePicture())
  await script({ provider: 'fal', mode: 'ok', latencyMs: 5_000 })
  const fillers = await Promise.all(Array.from({ length: 5 }, () => user.submit(asset.id)))
  const isBusy = async () => {
    const tasks = await Promise.all(fillers.map(({ body }) => user.task(body.task.id)))
    return tasks.every(({ status }) => status !== 'pending')
  }
  await until(isBusy, 'all five places of the worker are taken')

  const { body } = await user.submit(asset.id)
  const canceled = await user.send('POST', `/api/tasks/${body.task.id}/cancel`)
  const frames = await user.follow(body.task.id)
  await clearScripts()

  t.equal(canceled.body.task.status, 'canceled')
  t.equal(frames.at(-1)?.type, 'canceled')
  for (const filler of fillers) await user.follow(filler.body.task.id)
  t.same(await user.balance(), { balance: 75, reservedBalance: 0 })
})
