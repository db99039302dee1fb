import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { AppError } from '@funmagic/contract/problem'
import { isStorableText } from '@funmagic/contract/text'
import type { FastifyRequest, FastifySchemaCompiler } from 'fastify'
import type { Server } from './server.ts'

const nodesMax = 100_000

/**
 * Bodies are JSON and are checked as they are: an unknown property or a number in quotes is a
 * fault, where Fastify would drop or convert it. Query strings and paths are text, so their
 * numbers are parsed. Texts that Postgres cannot store are refused here (INVALID_TEXT).
 */
export function addValidation(app: Server): void {
  setCompilers(app, { body: createAjv({ coerceTypes: false }) })
  app.removeAllContentTypeParsers()
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    const text = decodeUtf8(body)
    if (text === undefined) return done(new AppError('INVALID_TEXT'))
    void parseJson(request, text, done)
  })
  app.addHook('preValidation', async request => refuseUnstorableText(request))
}

interface Compiling {
  setValidatorCompiler(compiler: FastifySchemaCompiler<object>): unknown
}

/**
 * In this scope every fault of a body is named at once, not just the first: for forms that people
 * fill in, of operators only, since it looks at all of a body whatever is wrong with it.
 */
export function nameAllFaults(app: Compiling): void {
  setCompilers(app, { body: createAjv({ coerceTypes: false, allErrors: true }) })
}

function setCompilers(app: Compiling, { body }: { body: Ajv }): void {
  const parsing = createAjv({ coerceTypes: true })
  app.setValidatorCompiler(({ schema, httpPart }) =>
    (httpPart === 'body' ? body : parsing).compile(schema),
  )
}

function createAjv(options: { coerceTypes: boolean; allErrors?: boolean }): Ajv {
  const ajv = new Ajv({
    removeAdditional: false,
    useDefaults: true,
    allErrors: false,
    strict: false,
    ...options,
  })
  addFormats.default(ajv)
  return ajv
}

function decodeUtf8(bytes: string | Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(bytes))
  } catch {
    // Not UTF-8: the caller names the problem.
    return undefined
  }
}

/** Walks without recursion, because the depth is the sender's choice. */
function refuseUnstorableText(request: FastifyRequest): void {
  const open: unknown[] = [request.params, request.query, request.body]
  for (let visited = 0; open.length > 0; visited++) {
    if (visited > nodesMax) throw new AppError('PAYLOAD_TOO_LARGE')
    const value = open.pop()
    if (typeof value === 'string') {
      if (!isStorableText(value)) throw new AppError('INVALID_TEXT')
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) open.push(key, item)
    }
  }
}
