import sharp from 'sharp'
import t, { type Test } from 'tap'
import { startProviders } from '../src/providers/providers.ts'
import { download, samplePhoto } from './samples.ts'
import { until } from './target.ts'

interface Task {
  readonly status: string
  readonly progress: number
  readonly output: Record<string, string>
}

interface Sending {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | FormData
}

interface Body {
  readonly code: number
  readonly data: Task & { readonly image_token: string; readonly task_id: string }
}

async function setup(t: Test, key = 'tsk_simulated') {
  const providers = await startProviders({ latencyMs: 20, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const headers = { authorization: `Bearer ${key}` }
  const ask = async (path: string, init: Sending = {}) => {
    const reply = await fetch(`${providers.tripoUrl}${path}`, {
      ...init,
      headers: { ...headers, ...init.headers },
    })
    const body = (await reply.json()) as Body
    return { status: reply.status, headers: reply.headers, body }
  }
  const order = (body: object) =>
    ask('/task', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const upload = async (bytes: Buffer, type = 'image/jpeg') => {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(bytes)], { type }), 'photo')
    return ask('/upload/sts', { method: 'POST', body: form })
  }
  const settle = async (id: string) => {
    let task: Task | undefined
    await until(async () => {
      task = (await ask(`/task/${id}`)).body.data
      return task !== undefined && !['queued', 'running'].includes(task.status)
    })
    return task
  }
  return { providers, ask, order, upload, settle }
}

t.test('a photo becomes a sound GLB with colours, and a preview', async t => {
  const { upload, order, settle } = await setup(t)
  const { body } = await upload(await samplePhoto())
  const file = { type: 'jpg', file_token: body.data.image_token }

  const created = await order({ type: 'image_to_model', file })
  const task = await settle(created.body.data.task_id)
  const model = await download(task?.output['pbr_model'] ?? '')
  const preview = await download(task?.output['rendered_image'] ?? '')
  const jsonBytes = model.bytes.readUInt32LE(12)
  const gltf = JSON.parse(model.bytes.subarray(20, 20 + jsonBytes).toString())
  const binaryBytes = model.bytes.readUInt32LE(20 + jsonBytes)

  t.match(task, { status: 'success', progress: 100 })
  t.equal(model.bytes.subarray(0, 4).toString(), 'glTF')
  t.equal(model.bytes.readUInt32LE(8), model.bytes.length)
  t.equal(28 + jsonBytes + binaryBytes, model.bytes.length)
  t.equal(gltf.buffers[0].byteLength, binaryBytes)
  t.match(gltf.meshes[0].primitives[0].attributes, { POSITION: 0, COLOR_0: 1 })
  t.equal(gltf.accessors[2].count % 3, 0)
  t.match(await sharp(preview.bytes).metadata(), { format: 'webp', width: 512 })
})

t.test('words become a model, in one of the versions', async t => {
  const { order, settle } = await setup(t)
  const words = { type: 'text_to_model', prompt: 'a small cat', model_version: 'v3.0-20250812' }

  const created = await order({ ...words, negative_prompt: 'a dog', model_seed: 7 })

  t.match(await settle(created.body.data.task_id), { status: 'success' })
})

t.test('what Tripo refuses is refused with its code and status', async t => {
  const { order, upload } = await setup(t)
  const words = { type: 'text_to_model', prompt: 'a small cat' }
  const refusals = [
    [{ type: 'dance' }, 400, 2002],
    [{ ...words, model_version: 'v9' }, 400, 2017],
    [{ ...words, model_version: 'v1.3-20240522' }, 400, 2015],
    [{ ...words, prompt: 'a'.repeat(1025) }, 400, 1004],
    [{ ...words, model_seed: 1.5 }, 400, 1004],
    [{ type: 'image_to_model' }, 400, 2003],
    [{ type: 'image_to_model', file: { file_token: 'nothing' } }, 404, 2019],
  ] as const

  for (const [body, status, code] of refusals) {
    t.match(await order(body), { status, body: { code, message: String } })
  }
  t.match(await upload(Buffer.from('no picture')), { status: 400, body: { code: 2004 } })
})

t.test('a stranger learns nothing, and every reply has a trace', async t => {
  const { ask } = await setup(t, 'invalid-key')

  const reply = await ask('/user/balance')

  t.match(reply, { status: 401, body: { code: 1002 } })
  t.match(reply.headers.get('x-tripo-trace-id'), /^[0-9a-f-]{36}$/)
})

t.test('scripts end tasks in Tripo’s words, and calls are counted', async t => {
  const { providers, order, settle, ask } = await setup(t)
  const words = { type: 'text_to_model', prompt: 'a small cat' }
  const ends = [
    ['fail', 'failed'],
    ['moderated', 'banned'],
  ] as const

  for (const [mode, status] of ends) {
    providers.script({ provider: 'tripo', mode })
    const { body } = await order(words)
    t.match(await settle(body.data.task_id), { status, error_code: Number })
  }
  providers.script({ provider: 'tripo', mode: '429', retryAfterSeconds: 3 })

  t.match(await order(words), { status: 429, body: { code: 2000 } })
  t.match(providers.calls().providers.tripo, { submits: 2, attempts: 3, open: 0 })
  t.match(await ask('/task/nothing'), { status: 404, body: { code: 2001 } })
})
