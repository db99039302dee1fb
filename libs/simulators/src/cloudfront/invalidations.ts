import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'

interface InvalidationsOptions {
  readonly distributionId: string
  readonly delayMs: number
  /** Drops what is cached under the paths; called once per invalidation, after the delay. */
  readonly purge: (matches: (key: string) => boolean) => void
}

interface Invalidation {
  readonly id: string
  readonly reference: string
  readonly paths: readonly string[]
  readonly createdAt: Date
  isComplete: boolean
}

const namespace = 'http://cloudfront.amazonaws.com/doc/2020-05-31/'
// AWS, "Concurrent invalidation request maximum": of files, and apart from them of wildcards.
const filesMax = 3_000
const wildcardsMax = 15
const bodyBytesMax = 1_000_000
const rememberedMax = 1_000

/** The part of CloudFront's control API that @aws-sdk/client-cloudfront needs to invalidate. */
export class Invalidations {
  readonly #options: InvalidationsOptions
  readonly #byId = new Map<string, Invalidation>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(options: InvalidationsOptions) {
    this.#options = options
  }

  /** True for paths of the control API, which are not paths of viewers. */
  static owns(path: string): boolean {
    return path.startsWith('/2020-05-31/')
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, , , distributionId, noun, id] = (request.url ?? '').split('?', 1)[0]?.split('/') ?? []
    const credential = /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/[^/]+\/cloudfront\/aws4_request/
    if (!credential.test(request.headers.authorization ?? '')) {
      fail(response, 403, 'MissingAuthenticationToken')
    } else if (distributionId !== this.#options.distributionId || noun !== 'invalidation') {
      fail(response, 404, 'NoSuchDistribution')
    } else if (request.method === 'POST' && id === undefined) {
      await this.#create(request, response)
    } else if (request.method === 'GET' && id !== undefined) {
      const invalidation = this.#byId.get(id)
      if (invalidation === undefined) fail(response, 404, 'NoSuchInvalidation')
      else reply(response, 200, render(invalidation))
    } else {
      fail(response, 400, 'InvalidArgument')
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }

  async #create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (Number(request.headers['content-length'] ?? Infinity) > bodyBytesMax) {
      return fail(response, 413, 'RequestTooLong')
    }
    const batch = parseBatch(await text(request))
    if (batch === undefined) return fail(response, 400, 'InvalidArgument')
    const earlier = [...this.#byId.values()].find(known => known.reference === batch.reference)
    if (earlier !== undefined && earlier.paths.join() !== batch.paths.join()) {
      return fail(response, 400, 'InvalidArgument')
    }
    if (earlier === undefined && this.#isFullFor(batch.paths)) {
      return fail(response, 400, 'TooManyInvalidationsInProgress')
    }
    const invalidation = earlier ?? this.#start(batch)
    const location = `/2020-05-31/distribution/${this.#options.distributionId}/invalidation/`
    response.setHeader('location', location + invalidation.id)
    reply(response, 201, render(invalidation))
  }

  #isFullFor(paths: readonly string[]): boolean {
    const open = [...this.#byId.values()].filter(({ isComplete }) => !isComplete)
    const all = [...paths, ...open.flatMap(invalidation => invalidation.paths)]
    const wildcards = all.filter(path => path.endsWith('*')).length
    return all.length - wildcards > filesMax || wildcards > wildcardsMax
  }

  #start(batch: { reference: string; paths: readonly string[] }): Invalidation {
    const id = `I${randomBytes(10).toString('hex').toUpperCase()}`
    const invalidation: Invalidation = { id, ...batch, createdAt: new Date(), isComplete: false }
    this.#byId.set(id, invalidation)
    const [oldest] = this.#byId.keys()
    if (this.#byId.size > rememberedMax && oldest !== undefined) this.#byId.delete(oldest)
    const complete = () => {
      this.#timers.delete(timer)
      this.#options.purge(key => batch.paths.some(path => isNamedBy(path, key)))
      invalidation.isComplete = true
    }
    const timer = setTimeout(complete, this.#options.delayMs)
    this.#timers.add(timer)
    return invalidation
  }
}

/** A path names one object; with an asterisk at its end, all that begin like it. */
function isNamedBy(path: string, key: string): boolean {
  const name = decode(path).replace(/^\//, '')
  return name.endsWith('*') ? key.startsWith(name.slice(0, -1)) : key === name
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    // Not percent-encoded, so it is meant literally.
    return path
  }
}

function parseBatch(xml: string): { reference: string; paths: string[] } | undefined {
  const reference = /<CallerReference>([^<]+)<\/CallerReference>/.exec(xml)?.[1]
  const quantity = /<Quantity>(\d+)<\/Quantity>/.exec(xml)?.[1]
  const paths = [...xml.matchAll(/<Path>([^<]*)<\/Path>/g)].map(match => unescapeXml(match[1]))
  const isValid = paths.length > 0 && paths.every(path => /^\/[^*]*\*?$/.test(path))
  if (reference === undefined || Number(quantity) !== paths.length || !isValid) return undefined
  return { reference: unescapeXml(reference), paths }
}

function render(invalidation: Invalidation): string {
  const { id, reference, paths, createdAt, isComplete } = invalidation
  const items = paths.map(path => `<Path>${escapeXml(path)}</Path>`).join('')
  return (
    `<Invalidation xmlns="${namespace}"><Id>${id}</Id>` +
    `<Status>${isComplete ? 'Completed' : 'InProgress'}</Status>` +
    `<CreateTime>${createdAt.toISOString()}</CreateTime><InvalidationBatch>` +
    `<Paths><Quantity>${paths.length}</Quantity><Items>${items}</Items></Paths>` +
    `<CallerReference>${escapeXml(reference)}</CallerReference>` +
    '</InvalidationBatch></Invalidation>'
  )
}

function fail(response: ServerResponse, status: number, code: string): void {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${code}</Message></Error>`
  const requestId = `<RequestId>${randomBytes(16).toString('hex')}</RequestId>`
  reply(
    response,
    status,
    `<ErrorResponse xmlns="${namespace}">${error}${requestId}</ErrorResponse>`,
  )
}

function reply(response: ServerResponse, status: number, xml: string): void {
  response.writeHead(status, { 'content-type': 'text/xml' })
  response.end(`<?xml version="1.0" encoding="UTF-8"?>${xml}`)
}

const entities = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' } as const

function unescapeXml(value = ''): string {
  return Object.entries(entities).reduce((text, [name, sign]) => text.replaceAll(name, sign), value)
}

function escapeXml(value: string): string {
  return Object.entries(entities)
    .toReversed()
    .reduce((text, [name, sign]) => text.replaceAll(sign, name), value)
}
