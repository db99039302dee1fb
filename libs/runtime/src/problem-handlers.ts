import { AppError, type ProblemCode, type ProblemDetails } from '@funmagic/contract/problem'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Server } from './server.ts'
import { fieldOf, toFault } from './validation-faults.ts'

const retryAfterUnavailableSeconds = 2

/** The one place where an error becomes a reply (requirement K2). */
export function addProblemHandlers(app: Server): void {
  const routes: { pattern: RegExp; methods: Set<string> }[] = []
  app.addHook('onRoute', route => {
    // The preflight route of CORS matches everything and is no place of its own.
    if (route.url === '*') return
    const pattern = new RegExp(`^${route.url.replaceAll(/:[A-Za-z]+/g, '[^/]+')}$`)
    routes.push({ pattern, methods: new Set([route.method].flat()) })
  })

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const methods = routes.filter(route => route.pattern.test(path)).flatMap(r => [...r.methods])
    if (methods.length === 0 || methods.includes(request.method)) {
      return sendProblem(request, reply, new AppError('NOT_FOUND'))
    }
    reply.header('allow', [...new Set(methods)].join(', '))
    return sendProblem(request, reply, new AppError('METHOD_NOT_ALLOWED'))
  })

  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = toProblem(error)
    if (problem.status >= 500) request.log.error({ err: error, requestId: request.id }, 'failed')
    return sendProblem(request, reply, problem)
  })
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: AppError) {
  if (problem.retryAfterSeconds !== undefined) {
    reply.header('retry-after', String(problem.retryAfterSeconds))
  }
  return reply
    .code(problem.status)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send({
      error: {
        code: problem.code,
        message: problem.message,
        details: problem.details ?? null,
        requestId: request.id,
        timestamp: new Date().toISOString(),
      },
    })
}

const codesOfFastify: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_BODY_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'BAD_REQUEST',
  FST_ERR_BAD_URL: 'BAD_REQUEST',
  FST_ERR_MAX_PARAM_LENGTH: 'URI_TOO_LONG',
}

function toProblem(error: FastifyError): AppError {
  if (error instanceof AppError) return error
  if (error.validation !== undefined) return validationProblem(error)
  const code = codesOfFastify[error.code]
  if (code !== undefined) return new AppError(code, { cause: error })
  if (isUnavailable(error)) {
    const retryAfterSeconds = retryAfterUnavailableSeconds
    return new AppError('UNAVAILABLE', { cause: error, retryAfterSeconds })
  }
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500) return new AppError('BAD_REQUEST', { cause: error })
  return new AppError('INTERNAL_ERROR', { cause: error })
}

const faultsMax = 50

function validationProblem(error: FastifyError): AppError {
  if (error.validationContext === 'params') return new AppError('INVALID_ID', { cause: error })
  const faults = (error.validation ?? []).slice(0, faultsMax).map(toFault)
  const [first] = faults
  const field = first === undefined ? '' : fieldOf(first)
  if (error.validationContext === 'headers' && field === 'idempotency-key') {
    return new AppError('INVALID_IDEMPOTENCY_KEY', { cause: error })
  }
  const details: ProblemDetails = {
    in: error.validationContext ?? 'body',
    field,
    suggestion: first?.message ?? 'See the API reference.',
    ...(error.validationContext === 'body' ? { faults } : {}),
  }
  return new AppError('VALIDATION_FAILED', { cause: error, details })
}

// With the SQLSTATEs of a connection that is gone and of a full server, those of a statement
// (57014) and of a lock (55P03) that were not had in time.
const unavailableCodes =
  /^(08...|57P0.|57014|55P03|53[0-4]00|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|P1001|P1017)$/

// node-postgres and ioredis give these no code.
const unavailableMessages = new RegExp(
  [
    'timeout exceeded when trying to connect',
    'Connection terminated',
    'Connection is closed',
    'Command timed out',
    'max retries per request',
    // The process is ending, and this request came too late.
    'Cannot use a pool after calling end',
  ].join('|'),
)

// Prisma has no code of its own for most errors of a server: it says the SQLSTATE in its message.
const sqlStateInWords = /^P20/

/** A dependency is away (reliability P-1 to P-4): the client may come again. */
function isUnavailable(error: Error & { code?: unknown }): boolean {
  const code = typeof error.code === 'string' ? error.code : ''
  if (unavailableCodes.test(code)) return true
  const [, sqlState = ''] = /Code: `(\w{5})`/.exec(error.message) ?? []
  if (sqlStateInWords.test(code) && unavailableCodes.test(sqlState)) return true
  if (unavailableMessages.test(error.message)) return true
  return error.cause instanceof Error && isUnavailable(error.cause)
}
