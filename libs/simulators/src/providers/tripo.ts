import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readPicture } from '../pictures/picture.ts'
import {
  acceptedKey,
  type ErrorReplies,
  type ErrorReply,
  openExchange,
  originOf,
  sendError,
  sendReply,
  type Studio,
} from './exchange.ts'
import { type Job, Jobs, ModerationBlock } from './jobs.ts'
import { acceptMultipart, type Form } from './multipart.ts'
import { type Operation, workModeOf } from './scripts.ts'
import { buildModel, errorOf, readOrder, TripoError, type TripoOutput } from './tripo-tasks.ts'

/** Tripo's HTTP API, version 2 (platform.tripo3d.ai/docs): uploads and tasks. */
export function registerTripo(app: FastifyInstance, studio: Studio): void {
  const jobs = new Jobs<TripoOutput>()
  app.addHook('onClose', async () => jobs.close())
  acceptMultipart(app)
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-tripo-trace-id', randomUUID())
    if (acceptedKey(request, /^Bearer (.*)$/) !== undefined) return
    sendError(reply, replyOf(unauthorized))
    return reply
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof TripoError) return sendError(reply, replyOf(error))
    const status = error.statusCode ?? 500
    const code = status < 500 ? 1003 : 1000
    return sendError(reply, replyOf(new TripoError(status, code, error.message)))
  })
  app.setNotFoundHandler((_request, reply) => sendError(reply, replyOf(notFound)))
  app.get('/user/balance', async () => ({ code: 0, data: { balance: 1_000, frozen: 0 } }))
  registerUpload(app, studio)
  registerTasks(app, studio, jobs)
}

const types = ['image/jpeg', 'image/png', 'image/webp']
const sideMin = 20
const sideMax = 6000

function registerUpload(app: FastifyInstance, studio: Studio): void {
  app.post<{ Body: Form }>('/upload/sts', async (request, reply) => {
    const [upload] = request.body.files?.get('file') ?? []
    const opening = open(studio, 'upload', { request, reply, input: upload?.bytes })
    if (opening === undefined) return reply
    if (upload === undefined || upload.bytes.length === 0) {
      throw new TripoError(400, 2003, 'The input file is empty')
    }
    const { width, height } = await readPicture(upload.bytes).catch((cause: unknown) => {
      throw Object.assign(new TripoError(400, 2004, 'The file type is unsupported'), { cause })
    })
    const isFit = Math.min(width, height) >= sideMin && Math.max(width, height) <= sideMax
    if (!types.includes(upload.contentType) || !isFit) {
      throw new TripoError(400, 2004, 'The file type is unsupported')
    }
    const file = studio.files.put(upload)
    sendReply(reply, opening.part, { status: 200, body: succeed({ image_token: file.id }) })
    return reply
  })
}

function registerTasks(app: FastifyInstance, studio: Studio, jobs: Jobs<TripoOutput>): void {
  app.post('/task', (request, reply) => {
    const input = request.body
    const opening = open(studio, 'submit', { request, reply, input, model: modelOf(input) })
    if (opening === undefined) return
    const { files, workshop, latencyMs } = studio
    const order = readOrder(input, files)
    const { call, part } = opening
    const id = randomUUID()
    const run = { files, workshop, mode: workModeOf(part.mode), origin: originOf(request) }
    jobs.start({
      id,
      model: order.type,
      input: 'prompt' in order.source ? { prompt: order.source.prompt } : {},
      part,
      latencyMs,
      work: () => buildModel(order, run),
      onOver: studio.calls.accept(call, id),
    })
    sendReply(reply, part, { status: 200, body: succeed({ task_id: id }) })
  })
  app.get<{ Params: { id: string } }>('/task/:id', (request, reply) => {
    const opening = open(studio, 'status', { request, reply })
    if (opening === undefined) return
    const job = jobs.find(request.params.id)
    if (job === undefined) throw new TripoError(404, 2001, 'Task not found')
    const body = succeed(render(job, jobs))
    sendReply(reply, opening.part, { status: 200, body })
  })
}

function modelOf(input: unknown): string {
  const isGiven = typeof input === 'object' && input !== null && 'model_version' in input
  return isGiven ? String(input.model_version) : 'v2.5-20250123'
}

function open(
  studio: Studio,
  operation: Operation,
  from: { request: FastifyRequest; reply: FastifyReply; input?: unknown; model?: string },
) {
  const { request, reply, input, model } = from
  const exchange = { provider: 'tripo', operation, input, errors, ...(model && { model }) } as const
  return openExchange(studio, exchange, { request, reply })
}

function succeed(data: unknown): unknown {
  return { code: 0, data }
}

const statuses = {
  queued: 'queued',
  running: 'running',
  succeeded: 'success',
  failed: 'failed',
  canceled: 'cancelled',
} as const

const stepsOfJob = 4

function render(job: Job<TripoOutput>, jobs: Jobs<TripoOutput>): unknown {
  const isBanned = job.failure instanceof ModerationBlock
  const shared = {
    task_id: job.id,
    type: job.model,
    input: job.input,
    output: job.result ?? {},
    create_time: Math.floor(job.createdAt.getTime() / 1000),
  }
  switch (job.state) {
    case 'queued':
      return { ...shared, status: 'queued', progress: 0, queuing_num: jobs.positionOf(job) }
    case 'running': {
      const progress = Math.min(99, Math.round((job.lines.length / stepsOfJob) * 100))
      return { ...shared, status: 'running', progress }
    }
    case 'failed': {
      const status = isBanned ? 'banned' : 'failed'
      return { ...shared, status, progress: 0, ...errorOf(job.failure) }
    }
    default:
      return { ...shared, status: statuses[job.state], progress: 100 }
  }
}

const unauthorized = new TripoError(
  401,
  1002,
  'Authentication failed',
  'Please check that the API key you used is correct',
)
const notFound = new TripoError(404, 1001, 'Not found')

function replyOf(error: TripoError): ErrorReply {
  return { status: error.status, body: error.body }
}

const errors: ErrorReplies = {
  unauthorized: () => replyOf(unauthorized),
  throttled: () => replyOf(new TripoError(429, 2000, 'You have exceeded the limit of generation')),
  broken: status => replyOf(new TripoError(status, 1000, 'Server error, please retry later')),
}
