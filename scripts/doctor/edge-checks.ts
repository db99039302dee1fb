import { explain, type Routing } from '@funmagic/simulators/routing'
import { ask } from './ask.ts'
import { failed, ok, skipped, type Check, type Verdict } from './check.ts'
import type { Installation } from './installation.ts'

/** A read that anyone may make, and that reaches a database. */
const publicPath = '/api/tools'

/** Steering, health, security headers and the document, as the edge answers them. */
export function edgeChecks(installation: Installation, routing: Routing): Check[] {
  return [
    ...steeringChecks(installation, routing),
    ...healthChecks(installation, routing),
    {
      name: 'security headers',
      run: signal => checkHeaders(`${installation.edge}${publicPath}`, signal),
    },
    {
      name: 'security headers of files',
      run: signal =>
        installation.isLocal
          ? Promise.resolve(skipped('CloudFront adds them; its stand-in does not'))
          : checkFileHeaders(`${installation.cdn}/doctor/nothing-is-here`, signal),
    },
    { name: 'OpenAPI document', run: signal => checkDocument(installation, signal) },
  ]
}

function steeringChecks(installation: Installation, routing: Routing): Check[] {
  const sent = routing.steering.flatMap(rule => {
    if (rule.header) return [{ [rule.header.name]: rule.header.value }]
    if (!rule.cookie) return []
    const { name, value } = rule.cookie
    return [
      { cookie: `theme=dark; ${name}=${value}` },
      // The trap of requirement TR10: the text is there, the cookie is not.
      { cookie: `no${name}=${value}ish` },
    ]
  })
  const cases: Readonly<Record<string, string>>[] = [{}, ...sent]
  return cases.map(headers => {
    const [pair] = Object.entries(headers)
    return {
      name: `steering, ${pair === undefined ? 'nothing sent' : pair.join(': ')}`,
      run: signal => checkSteering({ installation, routing, headers }, signal),
    }
  })
}

interface Steered {
  readonly installation: Installation
  readonly routing: Routing
  readonly headers: Readonly<Record<string, string>>
}

async function checkSteering(steered: Steered, signal: AbortSignal): Promise<Verdict> {
  const { installation, routing, headers } = steered
  const route = explain(routing, { path: publicPath, headers: loweredNames(headers) })
  const expected = installation.hasBeta ? route.group : routing.defaultGroup
  const answer = await ask(`${installation.edge}${publicPath}`, { signal, headers })
  const group = answer.headers.get('x-served-by')
  if (group === expected) return ok(`${expected}, by the rule ${route.rule.split(',')[0]}`)
  if (group === null) {
    const fix = 'services say it when SERVED_BY is set in their environment'
    return failed({ detail: `${answer.status} without X-Served-By`, fix })
  }
  const fix =
    `compare \`npm run routes -- explain\` with the listener rules, whose order is their ` +
    'priority; where there is no beta, or it wants signed values, give --no-beta'
  return failed({ detail: `served by ${group}, not by ${expected}`, fix })
}

function loweredNames(headers: Steered['headers']): Record<string, string> {
  const lowered: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) lowered[name.toLowerCase()] = value
  return lowered
}

function healthChecks(installation: Installation, routing: Routing): Check[] {
  return Object.entries(routing.services).map(([service, { healthPath }]) => {
    const own = installation.services?.[service]
    const rule = routing.paths.find(path => path.service === service)
    const path = rule?.patterns[0]?.replaceAll('*', 'doctor')
    const run: Check['run'] = async signal => {
      if (own !== undefined) return checkOwnHealth(`${own}${healthPath}`, signal)
      if (path === undefined) return skipped('no path leads to it: its alarm watches it')
      return checkThroughEdge(`${installation.edge}${path}`, signal)
    }
    return { name: `health ${service}`, run }
  })
}

async function checkOwnHealth(url: string, signal: AbortSignal): Promise<Verdict> {
  const { status } = await ask(url, { signal })
  if (status === 200) return ok(`${url} answers 200`)
  return failed({ detail: `${url} answers ${status}`, fix: 'read the log of the service' })
}

/** From outside only this can be seen: that the service answers at all, be it with a refusal. */
async function checkThroughEdge(url: string, signal: AbortSignal): Promise<Verdict> {
  const { status, headers } = await ask(url, { signal })
  if (status < 500 && headers.get('x-request-id') !== null) return ok(`answers ${status}`)
  const what = status < 500 ? `${status}, but not by the service` : String(status)
  const fix = 'see the healthy hosts of its target groups, then its log (docs/runbook.md)'
  return failed({ detail: `${new URL(url).pathname} answers ${what}`, fix })
}

const wantedHeaders: Readonly<Record<string, RegExp>> = {
  'x-content-type-options': /^nosniff$/,
  'x-frame-options': /^DENY$/,
  'referrer-policy': /^no-referrer$/,
  'content-security-policy': /default-src 'none'/,
  'strict-transport-security': /max-age=[1-9]\d{6,}/,
}

async function checkHeaders(url: string, signal: AbortSignal): Promise<Verdict> {
  const { headers } = await ask(url, { signal })
  const missing = missingOf(headers, wantedHeaders)
  if (headers.has('x-powered-by')) missing.push('(x-powered-by must not be there)')
  if (missing.length === 0) return ok(`${Object.keys(wantedHeaders).length} headers`)
  const fix = 'a proxy took them off, or another server answers: libs/runtime sends them'
  return failed({ detail: `missing or wrong: ${missing.join(', ')}`, fix })
}

async function checkFileHeaders(url: string, signal: AbortSignal): Promise<Verdict> {
  const { headers } = await ask(url, { signal })
  const wanted = { ...wantedHeaders, 'content-security-policy': /sandbox/ }
  const missing = missingOf(headers, wanted)
  if (missing.length === 0) return ok('files run nothing and are framed by nobody')
  const fix = 'attach the response headers policy to the distribution (response-headers.tf)'
  return failed({ detail: `missing or wrong: ${missing.join(', ')}`, fix })
}

function missingOf(headers: Headers, wanted: Readonly<Record<string, RegExp>>): string[] {
  return Object.entries(wanted)
    .filter(([name, value]) => !value.test(headers.get(name) ?? ''))
    .map(([name]) => name)
}

async function checkDocument(installation: Installation, signal: AbortSignal): Promise<Verdict> {
  const { status, text } = await ask(`${installation.edge}/api/openapi.json`, { signal })
  if (status === 404 && !installation.isLocal) {
    return skipped('the load balancer of AWS merges no documents; the local one does')
  }
  const fix = 'see which service does not answer /openapi.json'
  if (status !== 200) return failed({ detail: `answers ${status}`, fix })
  const { openapi, paths, 'x-missing-services': missing } = readDocument(text)
  const count = Object.keys(paths ?? {}).length
  if (Array.isArray(missing) && missing.length > 0) {
    return failed({ detail: `without ${missing.join(', ')}`, fix })
  }
  if (typeof openapi !== 'string' || !openapi.startsWith('3.') || count === 0) {
    return failed({ detail: 'is not an OpenAPI document with paths', fix })
  }
  return ok(`${count} paths`)
}

interface DocumentParts {
  readonly openapi?: unknown
  readonly paths?: object | null
  readonly 'x-missing-services'?: unknown
}

function readDocument(text: string): DocumentParts {
  const document: unknown = JSON.parse(text)
  return typeof document === 'object' && document !== null ? document : {}
}
