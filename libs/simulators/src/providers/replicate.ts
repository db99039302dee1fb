import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
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
import type { StoredFile } from './file-store.ts'
import { type Job, Jobs, ModerationBlock } from './jobs.ts'
import { acceptMultipart, type Form } from './multipart.ts'
import { type Input, type Model, models } from './replicate-models.ts'
import { type Operation, type Part, workModeOf } from './scripts.ts'
import { notify, signStandard } from './webhooks.ts'

/** The HTTP API of Replicate (its OpenAPI document): files and predictions. */
export function registerReplicate(app: FastifyInstance, studio: Studio): void {
  const jobs = new Jobs<unknown>()
  app.addHook('onClose', async () => jobs.close())
  acceptMultipart(app)
  app.addHook('onRequest', async (request, reply) => {
    if (acceptedKey(request, /^(?:Bearer|Token) (.*)$/) !== undefined) return
    sendError(reply, unauthorized)
    return reply
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    return reply.status(status).send({ detail: error.message, status })
  })
  app.setNotFoundHandler((_request, reply) => sendError(reply, notFound))
  app.get('/account', async () => {
    return { type: 'user', username: 'simulator', name: 'Simulator', github_url: null }
  })
  app.get('/webhooks/default/secret', async () => ({ key: studio.replicateSecret }))
  registerFiles(app, studio)
  registerPredictions(app, studio, jobs)
}

function registerFiles(app: FastifyInstance, studio: Studio): void {
  app.post<{ Body: Form }>('/files', (request, reply) => {
    const [upload] = request.body.files?.get('content') ?? []
    const opening = open(studio, 'upload', { request, reply, input: upload?.bytes })
    if (opening === undefined) return
    if (upload === undefined) {
      return sendError(reply, { status: 400, body: { detail: 'Missing content', status: 400 } })
    }
    const file = studio.files.put(upload)
    sendReply(reply, opening.part, { status: 201, body: describeFile(file, originOf(request)) })
  })
  app.get<{ Params: { id: string } }>('/files/:id', (request, reply) => {
    const file = studio.files.find(request.params.id)
    if (file === undefined) sendError(reply, notFound)
    else void reply.send(describeFile(file, originOf(request)))
  })
}

function describeFile(file: StoredFile, origin: string): unknown {
  const digest = (name: string) => createHash(name).update(file.bytes).digest('hex')
  return {
    id: file.id,
    name: file.name,
    content_type: file.contentType,
    size: file.bytes.length,
    etag: digest('md5'),
    checksums: { sha256: digest('sha256'), md5: digest('md5') },
    metadata: {},
    created_at: file.createdAt.toISOString(),
    expires_at: file.expiresAt.toISOString(),
    urls: { get: `${origin}/replicate/v1/files/${file.id}` },
  }
}

interface Order {
  readonly version?: unknown
  readonly input?: unknown
  readonly webhook?: unknown
  readonly webhook_events_filter?: unknown
}

function registerPredictions(app: FastifyInstance, studio: Studio, jobs: Jobs<unknown>): void {
  app.post<{ Body: Order | null }>('/predictions', async (request, reply) => {
    const version = request.body?.version
    const model = models.find(known => {
      const names = [known.version, `${known.name}:${known.version}`]
      return [...names, ...(known.isOfficial ? [known.name] : [])].some(name => name === version)
    })
    await submit(studio, jobs, { request, reply, model, otherwise: unknownVersion })
  })
  app.post<{ Body: Order | null; Params: { owner: string; name: string } }>(
    '/models/:owner/:name/predictions',
    async (request, reply) => {
      const name = `${request.params.owner}/${request.params.name}`
      const model = models.find(known => known.isOfficial && known.name === name)
      await submit(studio, jobs, { request, reply, model, otherwise: notFound })
    },
  )
  app.get('/predictions', async request => {
    const results = jobs.newestFirst.slice(0, 100).map(job => render(job, originOf(request)))
    return { previous: null, next: null, results }
  })
  app.get<{ Params: { id: string } }>('/predictions/:id', (request, reply) => {
    const opening = open(studio, 'status', { request, reply })
    if (opening === undefined) return
    const job = jobs.find(request.params.id)
    if (job === undefined) return sendError(reply, notFound)
    sendReply(reply, opening.part, { status: 200, body: render(job, originOf(request)) })
  })
  app.post<{ Params: { id: string } }>('/predictions/:id/cancel', async (request, reply) => {
    const opening = open(studio, 'cancel', { request, reply })
    if (opening === undefined) return
    const job = jobs.find(request.params.id)
    if (job === undefined) return sendError(reply, notFound)
    job.cancel()
    await job.over
    sendReply(reply, opening.part, { status: 200, body: render(job, originOf(request)) })
  })
}

interface Submission {
  readonly request: FastifyRequest<{ Body: Order | null }>
  readonly reply: FastifyReply
  readonly model: Model | undefined
  readonly otherwise: ErrorReply
}

async function submit(studio: Studio, jobs: Jobs<unknown>, order: Submission): Promise<void> {
  const { request, reply, model } = order
  const input = fieldsOf(request.body?.input)
  const opening = open(studio, 'submit', { request, reply, input, ...(model && { model }) })
  if (opening === undefined) return
  if (model === undefined) return sendError(reply, order.otherwise)
  const refusal = refusalOf(model, input)
  if (refusal !== undefined) return sendError(reply, refusal)

  const { call, part } = opening
  const id = randomBytes(20).toString('hex').slice(0, 26)
  const onOver = studio.calls.accept(call, id)
  const { files, workshop, latencyMs } = studio
  const mode = workModeOf(part.mode)
  const work = () => model.run({ input, files, workshop, mode, origin: originOf(request) })
  const echo = shorten(input)
  const job = jobs.start({ id, model: model.name, input: echo, part, latencyMs, work, onOver })
  const told = tell(job, { request, secret: studio.replicateSecret, part })
  if (part.webhook === 'before-reply') await told
  const waitSeconds = waitOf(request)
  const patience = sleep(waitSeconds * 1000, undefined, { ref: false })
  if (waitSeconds > 0) await Promise.race([job.over, patience])
  const isComplete = waitSeconds === 0 || job.completedAt !== undefined
  const body = render(job, originOf(request))
  sendReply(reply, part, { status: isComplete ? 201 : 202, body })
}

/** What Replicate posts: the prediction as it is at each event that the caller asked for. */
async function tell(
  job: Job<unknown>,
  { request, secret, part }: { request: Submission['request']; secret: string; part: Part },
): Promise<void> {
  const { webhook: url, webhook_events_filter: filter } = request.body ?? {}
  if (typeof url !== 'string') return
  const sign = signStandard(secret)
  const begun = { ...fieldsOf(render(job, originOf(request))), status: 'starting', output: null }
  await job.over
  const isWanted = !Array.isArray(filter) || filter.includes('completed')
  const body = render(job, originOf(request))
  if (isWanted) await notify({ url, id: `${job.id}-completed`, body }, sign, part.webhook)
  if (part.webhook !== 'out-of-order') return
  await notify({ url, id: `${job.id}-start`, body: begun }, sign, 'once')
}

function refusalOf(model: Model, input: Input): ErrorReply | undefined {
  const faults = model.faultsOf(input)
  if (faults.length > 0) {
    const detail = faults.map(fault => `- input: ${fault.description}\n`).join('')
    const invalid = faults.map(fault => ({ ...fault, field: 'input' }))
    const title = 'Input validation failed'
    return { status: 422, body: { title, detail, status: 422, invalid_fields: invalid } }
  }
  return undefined
}

/** `Prefer: wait` holds the reply for up to 60 seconds, `wait=5` for five. */
function waitOf(request: FastifyRequest): number {
  const match = /^wait(?:=(\d+))?$/.exec(String(request.headers['prefer'] ?? ''))
  return match === null ? 0 : Math.min(Number(match[1] ?? 60), 60)
}

function open(
  studio: Studio,
  operation: Operation,
  from: { request: FastifyRequest; reply: FastifyReply; input?: unknown; model?: Model },
) {
  const { request, reply, input, model } = from
  const name = model && { model: model.name }
  const callback = fieldsOf(request.body)['webhook']
  const exchange = { provider: 'replicate', operation, input, callback, errors, ...name } as const
  return openExchange(studio, exchange, { request, reply })
}

const statuses = {
  queued: 'starting',
  running: 'processing',
  succeeded: 'succeeded',
  failed: 'failed',
  canceled: 'canceled',
} as const

function render(job: Job<unknown>, origin: string): unknown {
  const url = `${origin}/replicate/v1/predictions/${job.id}`
  const model = models.find(known => known.name === job.model)
  return {
    id: job.id,
    model: job.model,
    version: model?.isOfficial === true ? 'hidden' : model?.version,
    input: job.input,
    logs: job.lines.map(line => `${line.text}\n`).join(''),
    output: job.result ?? null,
    data_removed: false,
    error: job.state === 'failed' ? errorOf(job.failure) : null,
    source: 'api',
    status: statuses[job.state],
    created_at: job.createdAt.toISOString(),
    ...(job.startedAt && { started_at: job.startedAt.toISOString() }),
    ...(job.completedAt && { completed_at: job.completedAt.toISOString() }),
    urls: { cancel: `${url}/cancel`, get: url, web: `https://replicate.com/p/${job.id}` },
    metrics: metricsOf(job),
  }
}

/** The words of a model that Replicate itself watches over, for content against its rules. */
function errorOf(failure: unknown): string | null {
  if (failure instanceof ModerationBlock) {
    const advice = 'Please try again with different inputs. (E005)'
    return `The input or output was flagged as sensitive. ${advice}`
  }
  return failure instanceof Error ? failure.message : null
}

function metricsOf({ createdAt, startedAt, completedAt }: Job<unknown>): Record<string, number> {
  if (completedAt === undefined) return {}
  const total = (completedAt.getTime() - createdAt.getTime()) / 1000
  const predict = startedAt && (completedAt.getTime() - startedAt.getTime()) / 1000
  return { total_time: total, ...(predict !== undefined && { predict_time: predict }) }
}

/** Predictions echo their input; pictures inside of it are cut short to bound the memory. */
function shorten(value: unknown): unknown {
  if (typeof value === 'string') return value.length > 2_000 ? `${value.slice(0, 64)}…` : value
  if (Array.isArray(value)) return value.map(shorten)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shorten(item)]))
}

const unauthorized: ErrorReply = {
  status: 401,
  body: {
    title: 'Unauthenticated',
    detail: 'You did not pass a valid authentication token',
    status: 401,
  },
}
const notFound: ErrorReply = {
  status: 404,
  body: { detail: 'The requested resource could not be found.', status: 404 },
}
const unknownVersion: ErrorReply = {
  status: 422,
  body: {
    title: 'Invalid version or not permitted',
    detail:
      'The specified version does not exist (or perhaps you don’t have permission to use it?)',
    status: 422,
  },
}

const errors: ErrorReplies = {
  unauthorized: () => unauthorized,
  throttled: seconds => {
    const detail = `Request was throttled. Your rate limit resets in ~${seconds}s.`
    return { status: 429, body: { detail, status: 429 } }
  },
  broken: status => ({ status, body: { detail: 'Internal server error', status } }),
}
