import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  acceptedKey,
  type ErrorReplies,
  type ErrorReply,
  fieldsOf,
  openExchange,
  originOf,
  sendError,
  sendReply,
  type Studio,
} from './exchange.ts'
import { endpoints, failureOf } from './fal-endpoints.ts'
import { type Job, Jobs } from './jobs.ts'
import { type Operation, type Part, workModeOf } from './scripts.ts'
import { createFalSigner, notify, type SignNotice } from './webhooks.ts'

/**
 * fal's queue (queue.fal.run) and storage (rest.fal.ai) under one prefix. The queue takes every
 * input; a runner checks it later, so that a bad input shows in the result (fal, "Queue API").
 */
export function registerFal(app: FastifyInstance, studio: Studio): void {
  const jobs = new Jobs<unknown>()
  const signer = createFalSigner()
  app.get('/.well-known/jwks.json', async () => signer.jwks)
  app.addHook('onClose', async () => jobs.close())
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
    reply.status(error.statusCode ?? 500).send({ detail: error.message }),
  )
  app.setNotFoundHandler((_request, reply) => sendError(reply, notFound))
  app.register(async signedIn => {
    signedIn.addHook('onRequest', async (request, reply) => {
      if (acceptedKey(request, /^Key (.*)$/) !== undefined) return
      sendError(reply, unauthorized(request))
      return reply
    })
    registerInitiate(signedIn, studio)
    registerSubmit(signedIn, studio, { jobs, sign: signer.sign })
    registerRequests(signedIn, studio, jobs)
  })
  app.register(async open => registerUpload(open, studio))
}

function registerInitiate(app: FastifyInstance, studio: Studio): void {
  app.post<{ Body: { file_name?: unknown; content_type?: unknown } | null }>(
    '/storage/upload/initiate',
    (request, reply) => {
      const opening = open(studio, 'upload', { request, reply })
      if (opening === undefined) return
      const given = request.body?.file_name
      const name = (typeof given === 'string' ? given : 'file.bin').replace(/[^\w.-]/g, '_')
      const id = randomUUID().replaceAll('-', '')
      const file = `${originOf(request)}/fal/files/${id}/${name}`
      const body = { file_url: file, upload_url: `${file}?upload=${randomUUID()}` }
      sendReply(reply, opening.part, { status: 200, body })
    },
  )
}

/** The signed address of an upload takes the bytes as they are, without a key. */
function registerUpload(app: FastifyInstance, studio: Studio): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.put<{ Params: { id: string; name: string }; Querystring: { upload?: string } }>(
    '/files/:id/:name',
    (request, reply) => {
      const { id, name } = request.params
      const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      if (request.query.upload === undefined || !/^[0-9a-f]{32}$/.test(id)) {
        return sendError(reply, { status: 403, body: { detail: 'Forbidden' } })
      }
      const contentType = request.headers['content-type'] ?? 'application/octet-stream'
      studio.files.put({ name, contentType, bytes }, id)
      void reply.status(200).send({})
    },
  )
}

interface Queue {
  readonly jobs: Jobs<unknown>
  readonly sign: SignNotice
}

function registerSubmit(app: FastifyInstance, studio: Studio, { jobs, sign }: Queue): void {
  const submit = async (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?', 1)[0]?.replace(/^\/fal\//, '') ?? ''
    const opening = open(studio, 'submit', { request, reply, input: request.body, model: path })
    if (opening === undefined) return
    const endpoint = endpoints.get(path)
    if (endpoint === undefined) return sendError(reply, unknownApplication(path))
    const id = randomUUID()
    const { call, part } = opening
    const onOver = studio.calls.accept(call, id)
    const { files, workshop, latencyMs } = studio
    const input = fieldsOf(request.body)
    const run = { input, files, workshop, mode: workModeOf(part.mode), origin: originOf(request) }
    const work = () => endpoint(run)
    const model = path.split('/').slice(0, 2).join('/')
    const job = jobs.start({ id, model, input: null, part, latencyMs, work, onOver })
    const told = tell(job, { url: fieldsOf(request.query)['fal_webhook'], sign, part })
    if (part.webhook === 'before-reply') await told
    void reply.header('x-fal-request-id', id)
    const body = renderStatus(job, { jobs, origin: originOf(request), withLogs: false })
    sendReply(reply, part, { status: 200, body })
  }
  app.post('/:owner/:app', submit)
  app.post('/:owner/:app/*', submit)
}

/** What fal posts when a request is over (fal, "Webhooks"); it has one event for each. */
async function tell(
  job: Job<unknown>,
  { url, sign, part }: { url: unknown; sign: SignNotice; part: Part },
): Promise<void> {
  if (typeof url !== 'string') return
  await job.over
  const isOk = job.state === 'succeeded'
  const shared = { request_id: job.id, gateway_request_id: job.id }
  const failure = isOk ? undefined : failureOf(job)
  const body = isOk
    ? { ...shared, status: 'OK', payload: job.result }
    : { ...shared, status: 'ERROR', error: failure?.message, payload: failure?.body }
  await notify({ url, id: job.id, body }, sign, part.webhook)
}

interface RequestPath {
  Params: { owner: string; app: string; id: string }
  Querystring: { logs?: string }
}

function registerRequests(app: FastifyInstance, studio: Studio, jobs: Jobs<unknown>): void {
  const path = '/:owner/:app/requests/:id'
  const find = ({ params }: FastifyRequest<RequestPath>) => {
    const job = jobs.find(params.id)
    return job?.model === `${params.owner}/${params.app}` ? job : undefined
  }
  app.get<RequestPath>(`${path}/status`, (request, reply) => {
    const opening = open(studio, 'status', { request, reply })
    if (opening === undefined) return
    const job = find(request)
    if (job === undefined) return sendError(reply, notFound)
    const withLogs = request.query.logs === '1'
    const body = renderStatus(job, { jobs, origin: originOf(request), withLogs })
    sendReply(reply, opening.part, { status: job.completedAt ? 200 : 202, body })
  })
  app.get<RequestPath>(path, (request, reply) => {
    const opening = open(studio, 'result', { request, reply })
    if (opening === undefined) return
    const job = find(request)
    if (job === undefined) return sendError(reply, notFound)
    void reply.header('x-fal-request-id', job.id)
    if (job.completedAt === undefined) return sendError(reply, stillInProgress)
    if (job.state === 'succeeded') {
      return sendReply(reply, opening.part, { status: 200, body: job.result })
    }
    sendError(reply, failureReply(job))
  })
  app.put<RequestPath>(`${path}/cancel`, async (request, reply) => {
    const opening = open(studio, 'cancel', { request, reply })
    if (opening === undefined) return
    const job = find(request)
    if (job === undefined) return sendError(reply, { status: 404, body: { status: 'NOT_FOUND' } })
    if (job.completedAt !== undefined) {
      return sendError(reply, { status: 400, body: { status: 'ALREADY_COMPLETED' } })
    }
    const wasQueued = job.state === 'queued'
    job.cancel()
    await job.over
    const answer = wasQueued
      ? { status: 200, body: { status: 'OK' } }
      : { status: 202, body: { status: 'CANCELLATION_REQUESTED' } }
    sendReply(reply, opening.part, answer)
  })
}

function open(
  studio: Studio,
  operation: Operation,
  from: { request: FastifyRequest; reply: FastifyReply; input?: unknown; model?: string },
) {
  const { request, reply, input, model } = from
  const callback = fieldsOf(request.query)['fal_webhook']
  const about = { operation, input, callback, ...(model && { model }) }
  const exchange = { provider: 'fal', errors, ...about } as const
  return openExchange(studio, exchange, { request, reply })
}

function renderStatus(
  job: Job<unknown>,
  context: { jobs: Jobs<unknown>; origin: string; withLogs: boolean },
): Record<string, unknown> {
  const url = `${context.origin}/fal/${job.model}/requests/${job.id}`
  const urls = { response_url: url, status_url: `${url}/status`, cancel_url: `${url}/cancel` }
  const shared = { request_id: job.id, ...urls }
  if (job.state === 'queued') {
    return { status: 'IN_QUEUE', ...shared, queue_position: context.jobs.positionOf(job) }
  }
  const logs = job.lines.map(line => ({
    message: line.text,
    level: 'INFO',
    source: 'USER',
    timestamp: line.at.toISOString(),
  }))
  const progress = { ...shared, logs: context.withLogs ? logs : null }
  if (job.completedAt === undefined) return { status: 'IN_PROGRESS', ...progress }
  const seconds = job.startedAt && (job.completedAt.getTime() - job.startedAt.getTime()) / 1000
  const failure = job.state === 'succeeded' ? undefined : failureOf(job)
  return {
    status: 'COMPLETED',
    ...progress,
    metrics: { inference_time: seconds ?? null },
    ...(failure && { error: failure.message, error_type: failure.type }),
  }
}

function failureReply(job: Job<unknown>): ErrorReply {
  const failure = failureOf(job)
  const headers = { 'x-fal-retryable': 'false', 'x-fal-error-type': failure.type }
  return { status: failure.status, body: failure.body, headers }
}

function unauthorized(request: FastifyRequest): ErrorReply {
  const detail =
    request.headers.authorization === undefined
      ? 'Authentication is required to access this application.'
      : 'No user found for Key ID and Secret'
  return { status: 401, body: { detail } }
}

const notFound: ErrorReply = { status: 404, body: { detail: 'Request not found' } }
const stillInProgress: ErrorReply = {
  status: 400,
  body: { detail: 'Request is still in progress' },
}
function unknownApplication(path: string): ErrorReply {
  const [owner, app] = path.split('/')
  return { status: 404, body: { detail: `Application '${owner}/${app}' not found` } }
}

const errors: ErrorReplies = {
  unauthorized: () => ({ status: 401, body: { detail: 'No user found for Key ID and Secret' } }),
  throttled: () => ({ status: 429, body: { detail: 'Too many requests. Please slow down.' } }),
  broken: status => ({ status, body: { detail: 'Internal Server Error' } }),
}
