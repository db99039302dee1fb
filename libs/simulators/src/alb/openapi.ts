import { isDeepStrictEqual } from 'node:util'
import { explain, type Routing } from '../routing.ts'

type Json = Record<string, unknown>

interface MergedDocument extends Json {
  readonly 'x-missing-services': string[]
}

/**
 * One OpenAPI document out of those of the services. Only operations that the routing sends to
 * the service which documents them are taken: /health and /metrics are not reachable here.
 */
export function mergeDocuments(
  routing: Routing,
  documents: ReadonlyMap<string, unknown>,
): MergedDocument {
  const paths: Json = {}
  const components: Record<string, Json> = {}
  const tags = new Map<string, unknown>()
  const missing: string[] = []
  let version = '3.1.0'
  for (const [service, document] of documents) {
    if (!isJson(document)) {
      missing.push(service)
      continue
    }
    if (typeof document['openapi'] === 'string') version = document['openapi']
    const qualified = qualifyConflicts(document, service, components)
    for (const [path, item] of Object.entries(jsonAt(qualified, 'paths'))) {
      if (isServedBy(routing, path, service)) paths[path] = item
    }
    for (const [section, entries] of Object.entries(jsonAt(qualified, 'components'))) {
      if (isJson(entries)) components[section] = { ...components[section], ...entries }
    }
    const ownTags = qualified['tags']
    for (const tag of Array.isArray(ownTags) ? ownTags : []) {
      if (isJson(tag) && typeof tag['name'] === 'string') tags.set(tag['name'], tag)
    }
  }
  return {
    openapi: version,
    info: { title: 'FunMagic', version: '1.0.0', description: descriptionFor(missing) },
    servers: [{ url: '/' }],
    tags: [...tags.values()],
    paths,
    components,
    'x-missing-services': missing,
  }
}

function descriptionFor(missing: readonly string[]): string {
  const all = 'Every public operation of the platform.'
  if (missing.length === 0) return all
  return `${all} Not answering at the moment, and therefore absent: ${missing.join(', ')}.`
}

function isServedBy(routing: Routing, path: string, service: string): boolean {
  const concrete = path.replaceAll(/\{[^}]*\}/g, 'x')
  return explain(routing, { path: concrete, headers: {} }).service === service
}

/**
 * Two services may give one name to different schemas. The later one is renamed, with every
 * reference to it, before the documents are laid over each other.
 */
function qualifyConflicts(
  document: Json,
  service: string,
  taken: Readonly<Record<string, Json>>,
): Json {
  const renames = new Map<string, string>()
  for (const [section, entries] of Object.entries(jsonAt(document, 'components'))) {
    for (const [name, entry] of Object.entries(isJson(entries) ? entries : {})) {
      const other = taken[section]?.[name]
      if (other !== undefined && !isDeepStrictEqual(other, entry)) {
        renames.set(`#/components/${section}/${name}`, `#/components/${section}/${service}.${name}`)
      }
    }
  }
  if (renames.size === 0) return document
  const rewritten = rewriteReferences(document, renames)
  const components = Object.entries(jsonAt(rewritten, 'components')).map(([section, entries]) => [
    section,
    Object.fromEntries(
      Object.entries(isJson(entries) ? entries : {}).map(([name, entry]) => {
        const renamed = renames.get(`#/components/${section}/${name}`)
        return [renamed === undefined ? name : `${service}.${name}`, entry]
      }),
    ),
  ])
  return { ...rewritten, components: Object.fromEntries(components) }
}

function rewriteReferences(node: Json, renames: ReadonlyMap<string, string>): Json {
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => {
      if (key === '$ref' && typeof value === 'string') return [key, renames.get(value) ?? value]
      return [key, rewriteValue(value, renames)]
    }),
  )
}

function rewriteValue(value: unknown, renames: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map(item => rewriteValue(item, renames))
  return isJson(value) ? rewriteReferences(value, renames) : value
}

function jsonAt(document: Json, key: string): Json {
  const value = document[key]
  return isJson(value) ? value : {}
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

interface OpenApiSource {
  readonly routing: Routing
  /** The first address of each service with public paths. */
  readonly addresses: ReadonlyMap<string, string | undefined>
}

const freshMs = 5_000
const freshWhileMissingMs = 1_000
const timeoutMs = 2_000

/** Fetches and merges, at most once in a few seconds; a service that is down is left out. */
export function openApiReader(source: OpenApiSource): () => Promise<MergedDocument> {
  let cached: { document: Promise<MergedDocument>; until: number } | undefined
  return async () => {
    if (cached !== undefined && Date.now() < cached.until) return cached.document
    const entry = { document: readAll(source), until: Date.now() + freshMs }
    cached = entry
    const document = await entry.document
    if (document['x-missing-services'].length > 0) entry.until = Date.now() + freshWhileMissingMs
    return document
  }
}

async function readAll({ routing, addresses }: OpenApiSource): Promise<MergedDocument> {
  const services = [...new Set(routing.paths.map(rule => rule.service))]
  // As many at once as there are services.
  const documents = await Promise.all(
    services.map(async service => [service, await readOne(addresses.get(service))] as const),
  )
  return mergeDocuments(routing, new Map(documents))
}

async function readOne(address: string | undefined): Promise<unknown> {
  if (address === undefined) return undefined
  try {
    const reply = await fetch(new URL('/openapi.json', address), {
      signal: AbortSignal.timeout(timeoutMs),
    })
    return reply.ok ? await reply.json() : undefined
  } catch {
    // Down, slow, or not speaking JSON: the merged document names the service as missing.
    return undefined
  }
}
