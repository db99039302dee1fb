import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Call, type CallLog, digestOf } from './call-log.ts'
import type { FileStore } from './file-store.ts'
import {
  type ExchangeMode,
  isExchangeMode,
  type Operation,
  type Part,
  type Provider,
  type Scripts,
  wordsOf,
} from './scripts.ts'
import type { Workshop } from '../pictures/workshop.ts'

/** What the dialects share. */
export interface Studio {
  readonly scripts: Scripts
  readonly calls: CallLog
  readonly files: FileStore
  readonly workshop: Workshop
  readonly latencyMs: number
  /** Signs Replicate's webhooks. */
  readonly replicateSecret: string
}

/** The error replies of one provider, each in the provider's own words. */
export interface ErrorReplies {
  unauthorized(): ErrorReply
  throttled(retryAfterSeconds: number): ErrorReply
  broken(status: 500 | 503): ErrorReply
}

export interface ErrorReply {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

interface Exchange {
  readonly provider: Provider
  readonly operation: Operation
  readonly model?: string
  readonly input?: unknown
  /** Where the caller wants to hear of the end. */
  readonly callback?: unknown
}

interface Opening {
  readonly call: Call
  readonly part: Part
}

/**
 * Notes the call and looks up what it is to do. Undefined when the exchange has been answered
 * already, with one of the faults; what is to be cut off is still to be worked for.
 */
export function openExchange(
  studio: Studio,
  exchange: Exchange & { errors: ErrorReplies },
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
): Opening | undefined {
  const { provider, operation, model } = exchange
  const text = wordsOf(exchange.input)
  const part = studio.scripts.take({ provider, operation, text, ...(model && { model }) })
  const call = studio.calls.note({
    provider,
    operation,
    model: model ?? null,
    clientReference: referenceOf(request, exchange.callback),
    inputSha256: exchange.input === undefined ? null : digestOf(exchange.input),
    mode: part.mode,
  })
  const { mode } = part
  if (!isExchangeMode(mode) || mode === 'cut' || mode === 'reset') return { call, part }
  answerFault(mode, part, { errors: exchange.errors, reply })
  return undefined
}

function referenceOf(request: FastifyRequest, callback: unknown): string | null {
  const value = request.headers['x-client-request-id'] ?? request.headers['idempotency-key']
  if (typeof value === 'string') return value
  return typeof callback === 'string'
    ? (URL.parse(callback)?.searchParams.get('call') ?? null)
    : null
}

function answerFault(
  mode: Exclude<ExchangeMode, 'cut' | 'reset'>,
  part: Part,
  { errors, reply }: { errors: ErrorReplies; reply: FastifyReply },
): void {
  switch (mode) {
    case '401':
      return sendError(reply, errors.unauthorized())
    case '429': {
      const retryAfter = { 'retry-after': String(part.retryAfterSeconds) }
      const error = errors.throttled(part.retryAfterSeconds)
      return sendError(reply, { ...error, headers: { ...error.headers, ...retryAfter } })
    }
    case '429-no-retry-after':
      return sendError(reply, errors.throttled(part.retryAfterSeconds))
    case '500':
    case '503':
      return sendError(reply, errors.broken(mode === '500' ? 500 : 503))
    case 'garbage':
      void reply.type('application/json').send('<!doctype html><title>502 Bad Gateway</title>')
      return
    case 'huge':
      return sendHuge(reply)
    case 'hang':
      // Never answered: the connection stays open until the caller or the server closes it.
      reply.hijack()
      return
  }
}

export function sendError(reply: FastifyReply, error: ErrorReply): void {
  void reply
    .status(error.status)
    .headers({ ...error.headers })
    .send(error.body)
}

/** Sends the reply of a call that went well, or breaks off before it or half-way through it. */
export function sendReply(
  reply: FastifyReply,
  part: Part,
  { status, body }: { status: number; body: unknown },
): void {
  if (part.mode !== 'cut' && part.mode !== 'reset') {
    void reply.status(status).send(body)
    return
  }
  reply.hijack()
  if (part.mode === 'reset') {
    reply.raw.destroy()
    return
  }
  const text = JSON.stringify(body)
  reply.raw.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  reply.raw.write(text.slice(0, text.length / 2), () => reply.raw.destroy())
}

const hugeBytes = 100 * 1024 * 1024

/** A reply of 100 MB, sent as fast as it is taken. */
function sendHuge(reply: FastifyReply): void {
  const chunk = Buffer.alloc(64 * 1024, 'a')
  const { raw } = reply
  let sentBytes = 0
  const send = () => {
    while (sentBytes < hugeBytes && !raw.destroyed) {
      sentBytes += chunk.length
      if (!raw.write(chunk)) {
        raw.once('drain', send)
        return
      }
    }
    raw.end('"}')
  }
  reply.hijack()
  raw.writeHead(200, { 'content-type': 'application/json' })
  raw.write('{"padding":"')
  send()
}

/** The fields of a body, none when it is no object. */
export function fieldsOf(body: unknown): Record<string, unknown> {
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : {}
}

/** The address under which the caller knows this server. */
export function originOf(request: FastifyRequest): string {
  return `http://${request.headers.host ?? '127.0.0.1'}`
}

/** The secret of an Authorization header of the scheme, or undefined when it is not accepted. */
export function acceptedKey(request: FastifyRequest, scheme: RegExp): string | undefined {
  const key = scheme.exec(request.headers.authorization ?? '')?.[1]?.trim()
  return key === undefined || key === '' || key === 'invalid-key' ? undefined : key
}
