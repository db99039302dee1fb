import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Sharp } from 'sharp'
import { type Canvas, paint } from '../pictures/painting.ts'
import { type Picture, PictureError, readPicture } from '../pictures/picture.ts'
import { stylise } from '../pictures/stylising.ts'
import {
  acceptedKey,
  type ErrorReplies,
  fieldsOf,
  openExchange,
  sendError,
  sendReply,
  type Studio,
} from './exchange.ts'
import { acceptMultipart, type Form, type Upload } from './multipart.ts'
import {
  type ImageEdit,
  imageModels,
  type ImageOrder,
  OpenAiError,
  readEdit,
  readGeneration,
} from './openai-orders.ts'
import { sendEvents } from './openai-events.ts'
import type { Mode } from './scripts.ts'

/**
 * The Images API (OpenAI API reference, "Images"): POST /images/generations and /images/edits,
 * answered when the pictures are done, as the real one is.
 */
export function registerOpenAi(app: FastifyInstance, studio: Studio): void {
  acceptMultipart(app)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': `req_${randomBytes(16).toString('hex')}`,
      'openai-version': '2020-10-01',
    })
    if (acceptedKey(request, /^Bearer (.*)$/) === undefined) throw unauthorized(request)
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof OpenAiError) return reply.status(error.status).send(error.body)
    const isCallers = error.statusCode !== undefined && error.statusCode < 500
    const known = isCallers ? new OpenAiError(error.message, { code: null }) : serverError(500)
    return reply.status(error.statusCode ?? 500).send(known.body)
  })
  app.setNotFoundHandler((request, reply) => {
    const message = `Invalid URL (${request.method} ${request.url})`
    return reply.status(404).send(new OpenAiError(message, { code: null }).body)
  })
  app.get('/models', async () => {
    const data = imageModels.map(id => ({ id, object: 'model', created: 0, owned_by: 'system' }))
    return { object: 'list', data }
  })
  app.post('/images/generations', async (request, reply) => {
    await answer(studio, { request, reply, input: request.body }, () => {
      const order = readGeneration(request.body)
      return { order, work: () => generate(order) }
    })
  })
  app.post<{ Body: Form }>('/images/edits', async (request, reply) => {
    const { fields, files } = fieldsOf(request.body)
    if (!(fields instanceof Map) || !(files instanceof Map)) {
      const message = 'Unsupported content type: the simulator takes multipart/form-data here.'
      throw new OpenAiError(message, { code: 'unsupported_content_type' })
    }
    const input = inputOf(request.body)
    await answer(studio, { request, reply, input }, () => {
      const order = readEdit(request.body)
      return { order, work: () => edit(order) }
    })
  })
}

function inputOf({ fields, files }: Form): Record<string, unknown> {
  const input: Record<string, unknown> = Object.fromEntries(fields)
  for (const [name, uploads] of files) input[name] = uploads.map(file => file.bytes)
  return input
}

interface Work {
  readonly order: ImageOrder
  readonly work: () => Promise<Made>
}

interface Made {
  readonly pictures: readonly Buffer[]
  readonly size: Size
  readonly inputImageTokens: number
}

async function answer(
  studio: Studio,
  exchange: { request: FastifyRequest; reply: FastifyReply; input: unknown },
  prepare: () => Work,
): Promise<void> {
  const { request, reply, input } = exchange
  const model = modelOf(input)
  const opening = openExchange(
    studio,
    { provider: 'openai', operation: 'submit', input, errors, ...(model && { model }) },
    { request, reply },
  )
  if (opening === undefined) return
  const { call, part } = opening
  const { order, work } = prepare()
  const close = studio.calls.accept(call, `req_${randomBytes(8).toString('hex')}`)
  try {
    if (part.mode === 'stuck') {
      reply.hijack()
      await new Promise(resolve => reply.raw.once('close', resolve))
      return
    }
    const waiting = sleep(part.latencyMs ?? studio.latencyMs, undefined, { ref: false })
    if (part.mode === 'fail' || part.mode === 'moderated') {
      await waiting
      return sendError(reply, { status: 400, body: moderationBlocked.body })
    }
    const [made] = await Promise.all([studio.workshop(work), waiting])
    const body = render(order, made, part.mode)
    if (order.drafts === undefined) return sendReply(reply, part, { status: 200, body })
    const kind = request.url.includes('/edits') ? 'image_edit' : 'image_generation'
    await sendEvents(reply, { kind, drafts: order.drafts, mode: part.mode, body, made })
  } finally {
    close()
  }
}

function modelOf(input: unknown): string | undefined {
  const { model } = fieldsOf(input)
  const first: unknown = Array.isArray(model) ? model[0] : model
  return typeof first === 'string' ? first : undefined
}

async function generate(order: ImageOrder): Promise<Made> {
  const size = order.size === 'auto' ? '1024x1024' : order.size
  const canvas = canvasOf(size)
  const pictures: Buffer[] = []
  for (let turn = 0; turn < order.count; turn++) {
    const isTransparent = order.background === 'transparent'
    pictures.push(await encode(paint(`${turn} ${order.prompt}`, canvas, isTransparent), order))
  }
  return { pictures, size, inputImageTokens: 0 }
}

async function edit(order: ImageEdit): Promise<Made> {
  const [first] = order.images
  if (first === undefined) throw new Error('An edit has no image')
  const picture = await readUpload(first, 'image')
  for (const other of order.images.slice(1)) await readUpload(other, 'image')
  const mask = order.mask && (await readUpload(order.mask, 'mask'))
  if (mask && (mask.width !== picture.width || mask.height !== picture.height)) {
    throw new OpenAiError('Invalid mask image format - mask size does not match image size.', {
      code: 'invalid_image_format',
      param: 'mask',
      type: 'image_generation_user_error',
    })
  }
  const size = order.size === 'auto' ? nearestSize(picture) : order.size
  const pictures: Buffer[] = []
  for (let turn = 0; turn < order.count; turn++) {
    const options = { ...canvasOf(size), ...(mask && { mask }) }
    pictures.push(await encode(await stylise(picture, `${turn} ${order.prompt}`, options), order))
  }
  return { pictures, size, inputImageTokens: order.images.length * imageTokens.low[size] }
}

async function readUpload(upload: Upload, param: string): Promise<Picture> {
  try {
    return await readPicture(upload.bytes)
  } catch (error) {
    if (!(error instanceof PictureError)) throw error
    throw new OpenAiError('Invalid image file or mode for image.', {
      code: 'invalid_image_file',
      param,
      type: 'image_generation_user_error',
      cause: error,
    })
  }
}

type Size = '1024x1024' | '1024x1536' | '1536x1024'

function nearestSize({ width, height }: Canvas): Size {
  if (width > height * 1.2) return '1536x1024'
  return height > width * 1.2 ? '1024x1536' : '1024x1024'
}

function canvasOf(size: Size): Canvas {
  const [width = 1024, height = 1024] = size.split('x').map(Number)
  return { width, height }
}

async function encode(picture: Sharp, order: ImageOrder): Promise<Buffer> {
  const quality = Math.max(order.compression, 1)
  switch (order.format) {
    case 'png':
      return picture.png({ compressionLevel: 6 }).toBuffer()
    case 'jpeg':
      return picture.jpeg({ quality }).toBuffer()
    case 'webp':
      return picture.webp({ quality }).toBuffer()
  }
}

/** Output tokens of one picture (OpenAI, "Image generation", cost and latency). */
const imageTokens = {
  low: { '1024x1024': 272, '1024x1536': 408, '1536x1024': 400 },
  medium: { '1024x1024': 1056, '1024x1536': 1584, '1536x1024': 1568 },
  high: { '1024x1024': 4160, '1024x1536': 6240, '1536x1024': 6208 },
} as const

function render(order: ImageOrder, made: Made, mode: Mode): unknown {
  const { size } = made
  const textTokens = Math.ceil(order.prompt.length / 4)
  const inputTokens = textTokens + made.inputImageTokens
  const outputTokens = imageTokens[order.quality][size] * order.count
  return {
    created: Math.floor(Date.now() / 1000),
    background: order.background,
    data: made.pictures.flatMap(picture => dataOf(picture, mode)),
    output_format: order.format,
    quality: order.quality,
    size,
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { image_tokens: made.inputImageTokens, text_tokens: textTokens },
      output_tokens: outputTokens,
      output_tokens_details: { image_tokens: outputTokens, text_tokens: 0 },
      total_tokens: inputTokens + outputTokens,
    },
  }
}

function dataOf(picture: Buffer, mode: Mode): { b64_json?: string; url?: string }[] {
  switch (mode) {
    case 'invalid-output':
      return [{ b64_json: Buffer.from('<html>no picture</html>').toString('base64') }]
    case 'missing-output':
      return []
    case 'redirect-output':
    case 'link-local-output':
      return [{ url: 'http://169.254.169.254/latest/meta-data/' }]
    default:
      return [{ b64_json: picture.toString('base64') }]
  }
}

function unauthorized(request: FastifyRequest): OpenAiError {
  const key = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  if (key === undefined) {
    const message =
      "You didn't provide an API key. You need to provide your API key in an Authorization " +
      'header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).'
    return new OpenAiError(message, { status: 401, code: null })
  }
  return wrongKey(key)
}

function wrongKey(key: string): OpenAiError {
  const shown = key.length > 8 ? `${key.slice(0, 3)}***${key.slice(-4)}` : '***'
  const message =
    `Incorrect API key provided: ${shown}. You can find your API key at ` +
    'https://platform.openai.com/account/api-keys.'
  return new OpenAiError(message, { status: 401, code: 'invalid_api_key' })
}

const moderationBlocked = new OpenAiError(
  'Your request was rejected by the safety system. If you believe this is an error, contact us ' +
    'at help.openai.com and include the request ID.',
  { code: 'moderation_blocked', type: 'image_generation_user_error' },
)

function serverError(status: 500 | 503): OpenAiError {
  const message =
    status === 503
      ? 'The engine is currently overloaded, please try again later.'
      : 'The server had an error while processing your request. Sorry about that!'
  return new OpenAiError(message, { status, code: null, type: 'server_error' })
}

const errors: ErrorReplies = {
  unauthorized: () => ({ status: 401, body: wrongKey('revoked-key').body }),
  throttled: retryAfterSeconds => {
    const message =
      'Rate limit reached for gpt-image-1.5 on images per min. ' +
      `Please try again in ${retryAfterSeconds}s.`
    const error = { status: 429, code: 'rate_limit_exceeded', type: 'input-images' }
    return { status: 429, body: new OpenAiError(message, error).body }
  },
  broken: status => ({ status, body: serverError(status).body }),
}
