import OpenAI, { toFile } from 'openai'
import sharp, { type OverlayOptions } from 'sharp'
import t, { type Test } from 'tap'
import { startProviders } from '../src/providers/providers.ts'
import { pixelAt, samplePhoto } from './samples.ts'

const model = 'gpt-image-1.5'

async function setup(t: Test, apiKey = 'sk-simulated') {
  const providers = await startProviders({ latencyMs: 20, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const client = new OpenAI({ apiKey, baseURL: providers.openaiUrl, maxRetries: 0 })
  return { providers, client }
}

const bytesOf = (response: OpenAI.ImagesResponse, index = 0) =>
  Buffer.from(response.data?.[index]?.b64_json ?? '', 'base64')

t.test('a prompt becomes pictures of the size and the format that were asked for', async t => {
  const { client } = await setup(t)

  const response = await client.images.generate({
    model,
    prompt: 'a lighthouse',
    n: 2,
    size: '1536x1024',
    quality: 'low',
    output_format: 'webp',
  })
  const metadata = await sharp(bytesOf(response)).metadata()

  t.match(metadata, { format: 'webp', width: 1536, height: 1024 })
  t.equal(response.data?.length, 2)
  t.notSame(bytesOf(response, 0), bytesOf(response, 1))
  t.match(response, { output_format: 'webp', quality: 'low', size: '1536x1024' })
  const usage = response.usage
  t.match(usage, { input_tokens: 3, output_tokens: 800, total_tokens: 803 })
  t.match(usage?.input_tokens_details, { text_tokens: 3, image_tokens: 0 })
})

t.test('the same prompt is the same picture, another prompt is another', async t => {
  const { client } = await setup(t)
  const draw = async (prompt: string) => bytesOf(await client.images.generate({ model, prompt }))

  const one = await draw('a cat')

  t.same(await draw('a cat'), one)
  t.notSame(await draw('a dog'), one)
})

t.test('a transparent ground is transparent', async t => {
  const { client } = await setup(t)

  const response = await client.images.generate({ model, prompt: 'x', background: 'transparent' })
  const { channels } = await sharp(bytesOf(response)).stats()

  t.equal(response.background, 'transparent')
  t.equal(channels[3]?.min, 0)
})

t.test('an edit keeps the shapes of the input and changes its colours', async t => {
  const { client } = await setup(t)
  const image = await toFile(await samplePhoto(), 'photo.jpg', { type: 'image/jpeg' })

  const response = await client.images.edit({ model, image, prompt: 'make it autumn' })
  const picture = bytesOf(response)
  const [red = 0, green = 0, blue = 0] = await pixelAt(picture, 768, 512)
  const ground = await pixelAt(picture, 20, 20)

  t.match(await sharp(picture).metadata(), { width: 1536, height: 1024 }, 'landscape stays so')
  t.ok(Math.hypot(red - 196, green - 69, blue - 45) > 60, 'the disc has another colour')
  t.ok(Math.hypot(red - (ground[0] ?? 0), green - (ground[1] ?? 0)) > 40, 'and can be told apart')
  t.equal(response.usage?.input_tokens_details.image_tokens, 400)
})

t.test('an edit with a mask leaves alone what the mask covers', async t => {
  const { client } = await setup(t)
  const photo = await samplePhoto()
  const white = { width: 320, height: 480, channels: 4, background: '#fff' } as const
  const left: OverlayOptions = { input: { create: white }, left: 0, top: 0 }
  const ground = { width: 640, height: 480, channels: 4, background: '#0000' } as const
  const mask = await sharp({ create: ground }).composite([left]).png().toBuffer()

  const response = await client.images.edit({
    model,
    image: [await toFile(photo, 'a.jpg'), await toFile(photo, 'b.jpg')],
    mask: await toFile(mask, 'mask.png', { type: 'image/png' }),
    prompt: 'make it autumn',
  })
  const [kept, changed] = [
    await pixelAt(bytesOf(response), 600, 512),
    await pixelAt(bytesOf(response), 936, 512),
  ]

  t.ok(Math.hypot((kept[0] ?? 0) - 196, (kept[1] ?? 0) - 69, (kept[2] ?? 0) - 45) < 12)
  t.ok(Math.hypot((changed[0] ?? 0) - 196, (changed[1] ?? 0) - 69, (changed[2] ?? 0) - 45) > 60)
})

t.test('a missing or wrong key is refused as OpenAI refuses it', async t => {
  const { client } = await setup(t, 'invalid-key')
  const { providers } = await setup(t)

  await t.rejects(client.images.generate({ model, prompt: 'x' }), {
    status: 401,
    code: 'invalid_api_key',
    type: 'invalid_request_error',
  })
  const none = await fetch(`${providers.openaiUrl}/images/generations`, { method: 'POST' })
  t.equal(none.status, 401)
  t.same(providers.calls().providers.openai.attempts, 0)
})

t.test('orders that the model cannot fill are refused before anything is billed', async t => {
  const { client, providers } = await setup(t)
  const prompt = 'x'
  const orders: [object, { status?: number; code: string; param?: string }][] = [
    [{ prompt: '' }, { status: 400, code: 'missing_required_parameter', param: 'prompt' }],
    [
      { prompt, size: '10x10' },
      { status: 400, code: 'invalid_value', param: 'size' },
    ],
    [
      { prompt, n: 11 },
      { status: 400, code: 'integer_above_max_value', param: 'n' },
    ],
    [
      { prompt, n: 1.5 },
      { status: 400, code: 'invalid_type', param: 'n' },
    ],
    [
      { prompt, model: 'dall-e-3' },
      { status: 404, code: 'model_not_found' },
    ],
    [
      { prompt, style: 'vivid' },
      { status: 400, code: 'unknown_parameter', param: 'style' },
    ],
    [{ prompt: 'x'.repeat(32_001) }, { status: 400, code: 'string_above_max_length' }],
    [{ prompt, background: 'transparent', output_format: 'jpeg' }, { code: 'invalid_value' }],
    [{ prompt, response_format: 'url' }, { code: 'unknown_parameter' }],
  ]

  for (const [order, refusal] of orders) {
    const body = { model, ...order } as OpenAI.ImageGenerateParamsNonStreaming
    await t.rejects(client.images.generate(body), refusal, JSON.stringify(refusal))
  }
  t.equal(providers.calls().providers.openai.submits, 0)
})

t.test('a file that is no picture, or a mask of another size, is refused', async t => {
  const { client } = await setup(t)
  const image = await toFile(await samplePhoto(), 'photo.jpg')
  const text = await toFile(Buffer.from('hello'), 'photo.jpg')
  const small = await sharp({ create: { width: 9, height: 9, channels: 4, background: '#0000' } })
    .png()
    .toBuffer()

  await t.rejects(client.images.edit({ model, image: text, prompt: 'x' }), {
    status: 400,
    code: 'invalid_image_file',
  })
  const mask = await toFile(small, 'mask.png')
  await t.rejects(client.images.edit({ model, image, mask, prompt: 'x' }), {
    status: 400,
    code: 'invalid_image_format',
  })
})

t.test('each way of failing looks to the client like the real one', async t => {
  const { client, providers } = await setup(t)
  const draw = () => client.images.generate({ model, prompt: 'x' }, { timeout: 200 })
  const fails = async (mode: Parameters<typeof providers.script>[0]['mode'], wanted: object) => {
    providers.script({ provider: 'openai', mode, retryAfterSeconds: 7 })
    const error: unknown = await draw().catch((error: unknown) => error)
    t.match(error, wanted, mode)
    return error
  }

  const throttled = await fails('429', { status: 429, code: 'rate_limit_exceeded' })
  t.ok(throttled instanceof OpenAI.APIError && throttled.headers.get('retry-after') === '7')
  const silent = await fails('429-no-retry-after', { status: 429 })
  t.ok(silent instanceof OpenAI.APIError && silent.headers.get('retry-after') === null)
  await fails('500', { status: 500, type: 'server_error' })
  await fails('503', { status: 503 })
  await fails('401', { status: 401, code: 'invalid_api_key' })
  await fails('fail', { status: 400, code: 'moderation_blocked' })
  await fails('hang', { message: /timed out/ })
  await fails('stuck', { message: /timed out/ })
  await fails('garbage', { message: /JSON/ })
  t.ok((await fails('cut', {})) instanceof Error)
  await fails('reset', { message: /Connection error/ })
  await t.resolves(draw(), 'and then all is well again')
})

t.test('spoilt outputs are delivered as if they were good', async t => {
  const { client, providers } = await setup(t)

  providers.script({ provider: 'openai', mode: 'invalid-output' })
  const invalid = await client.images.generate({ model, prompt: 'x' })
  providers.script({ provider: 'openai', mode: 'missing-output' })
  const missing = await client.images.generate({ model, prompt: 'x' })

  t.match(bytesOf(invalid).toString(), /<html>/)
  t.same(missing.data, [])
})

t.test('words in the prompt make it fail, so that a person can see it', async t => {
  const { client } = await setup(t)

  const order = { model, prompt: 'a cat simulate:429 please' }

  await t.rejects(client.images.generate(order), { status: 429, code: 'rate_limit_exceeded' })
  await t.rejects(client.images.generate(order), { status: 429, code: 'rate_limit_exceeded' })
})

t.test('drafts come as events before the picture, and a cut comes before its end', async t => {
  const providers = await startProviders({ latencyMs: 10, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const baseURL = providers.openaiUrl
  const client = new OpenAI({ apiKey: 'sk-simulated', baseURL, maxRetries: 0 })
  const draw = async () => {
    const order = {
      model: 'gpt-image-1.5',
      prompt: 'a cat',
      stream: true,
      partial_images: 2,
    } as const
    const types: string[] = []
    for await (const event of await client.images.generate(order)) types.push(event.type)
    return types
  }

  const types = await draw()
  providers.script({ provider: 'openai', mode: 'cut' })

  const draft = 'image_generation.partial_image'
  t.strictSame(types, [draft, draft, 'image_generation.completed'])
  await t.rejects(draw())
})
