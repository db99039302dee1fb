import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { paint } from '../pictures/painting.ts'
import { PictureError, readPicture } from '../pictures/picture.ts'
import { stylise } from '../pictures/stylising.ts'
import {
  type ErrorReplies,
  type ErrorReply,
  openExchange,
  sendError,
  sendReply,
  type Studio,
} from './exchange.ts'
import { canvasOf, GoogleError, imageModels, type Order, readOrder } from './gemini-orders.ts'
import type { Mode } from './scripts.ts'

/** The Gemini API's generateContent, for its models of pictures (ai.google.dev/api). */
export function registerGemini(app: FastifyInstance, studio: Studio): void {
  app.addHook('onRequest', async (request, reply) => {
    const key = request.headers['x-goog-api-key']
    if (typeof key === 'string' && key !== '' && key !== 'invalid-key') return
    sendError(reply, key === undefined || key === '' ? replyOf(missingKey) : replyOf(invalidKey))
    return reply
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof GoogleError) return sendError(reply, replyOf(error))
    const status = error.statusCode ?? 500
    const name = status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL'
    return sendError(reply, replyOf(new GoogleError(status, name, error.message)))
  })
  app.setNotFoundHandler((_request, reply) => void reply.status(404).send())
  app.get('/models', async () => ({
    models: imageModels.map(name => ({
      name: `models/${name}`,
      supportedGenerationMethods: ['generateContent'],
    })),
  }))
  app.post<{ Params: { call: string } }>('/models/:call', async (request, reply) => {
    const [model = '', method] = request.params.call.split(':')
    if (method !== 'generateContent') return reply.status(404).send()
    await answer(studio, model, { request, reply })
    return reply
  })
}

async function answer(
  studio: Studio,
  model: string,
  exchange: { request: FastifyRequest; reply: FastifyReply },
): Promise<void> {
  const { request, reply } = exchange
  const input = request.body
  const opening = openExchange(
    studio,
    { provider: 'google', operation: 'submit', model, input: withoutBytes(input), errors },
    exchange,
  )
  if (opening === undefined) return
  const order = readOrder(model, input)
  const { call, part } = opening
  const close = studio.calls.accept(call, randomBytes(12).toString('base64url'))
  try {
    if (part.mode === 'stuck') {
      reply.hijack()
      await new Promise(resolve => reply.raw.once('close', resolve))
      return
    }
    const waiting = sleep(part.latencyMs ?? studio.latencyMs, undefined, { ref: false })
    const [picture] = await Promise.all([studio.workshop(() => draw(order)), waiting])
    sendReply(reply, part, { status: 200, body: render(order, picture, part.mode) })
  } finally {
    close()
  }
}

/** Words are matched by scripts; base64 is only noise there. */
function withoutBytes(input: unknown): unknown {
  if (Array.isArray(input)) return input.map(withoutBytes)
  if (typeof input !== 'object' || input === null) return input
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => {
      const isBytes = name === 'data' && typeof value === 'string'
      return [name, isBytes ? Buffer.from(value, 'base64') : withoutBytes(value)]
    }),
  )
}

async function draw({ prompt, pictures, aspectRatio }: Order): Promise<Buffer> {
  const canvas = canvasOf(aspectRatio)
  const [first] = pictures
  if (first === undefined) return paint(prompt, canvas).png().toBuffer()
  try {
    const picture = await readPicture(first)
    return await (await stylise(picture, prompt, canvas)).png().toBuffer()
  } catch (error) {
    if (!(error instanceof PictureError)) throw error
    throw new GoogleError(400, 'INVALID_ARGUMENT', 'Unable to process input image.', {
      cause: error,
    })
  }
}

const picturesTokens = 1290

function render({ model, prompt }: Order, picture: Buffer, mode: Mode): unknown {
  const promptTokens = Math.ceil(prompt.length / 4)
  const usage = {
    promptTokenCount: promptTokens,
    candidatesTokenCount: picturesTokens,
    totalTokenCount: promptTokens + picturesTokens,
  }
  const shared = {
    usageMetadata: usage,
    modelVersion: model,
    responseId: randomBytes(12).toString('base64url'),
  }
  const finish = (finishReason: string, parts?: unknown[]) => ({
    ...shared,
    candidates: [{ ...(parts && { content: { role: 'model', parts } }), finishReason, index: 0 }],
  })
  switch (mode) {
    case 'moderated':
      return { ...shared, promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }
    case 'fail':
      return finish('IMAGE_OTHER')
    case 'missing-output':
      return finish('STOP', [{ text: 'I cannot draw that, but I can describe it.' }])
    case 'invalid-output':
      return finish('STOP', [inline(Buffer.from('<html>no picture</html>'))])
    default:
      return finish('STOP', [inline(picture)])
  }
}

function inline(bytes: Buffer): unknown {
  return { inlineData: { mimeType: 'image/png', data: bytes.toString('base64') } }
}

function replyOf(error: GoogleError): ErrorReply {
  return { status: error.status, body: error.body }
}

const missingKey = new GoogleError(
  403,
  'PERMISSION_DENIED',
  "Method doesn't allow unregistered callers (callers without established identity).",
)
const invalidKey = new GoogleError(
  400,
  'INVALID_ARGUMENT',
  'API key not valid. Please pass a valid API key.',
  {
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'API_KEY_INVALID',
        domain: 'googleapis.com',
      },
    ],
  },
)

const errors: ErrorReplies = {
  unauthorized: () => replyOf(invalidKey),
  throttled: () =>
    replyOf(new GoogleError(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota.')),
  broken: status => {
    const name = status === 503 ? 'UNAVAILABLE' : 'INTERNAL'
    return replyOf(new GoogleError(status, name, 'The model is overloaded. Try again later.'))
  },
}
