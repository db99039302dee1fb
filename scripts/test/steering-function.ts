import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'

// Runs terraform/modules/edge/steering.js as CloudFront does: headers in lower case, cookies by
// their names, the key-value store and the crypto module as imports; then passes on what the origin
// request policy lets through.
interface Steering {
  readonly devMode?: string | undefined
  readonly cookie?: string | undefined
}

interface Field {
  value: string
  multiValue?: { value: string }[]
}

interface ViewerRequest {
  headers: Record<string, Field>
  cookies: Record<string, Field>
}

type Handler = (event: { request: ViewerRequest }) => Promise<ViewerRequest>

const file = join(import.meta.dirname, '../../terraform/modules/edge/steering.js')
const source = readFileSync(file, 'utf8').replace(/^import .*$/gm, '')
const passedCookies = ['x-beta-access', '__Host-funmagic_session']

/** What reaches the load balancer of what a viewer says about steering. */
export async function applySteeringFunction(sent: Steering, secret?: string): Promise<Steering> {
  const request: ViewerRequest = { headers: {}, cookies: cookiesOf(sent.cookie ?? '') }
  if (sent.devMode !== undefined) request.headers['x-dev-mode'] = { value: sent.devMode }
  const passed = await loadHandler(secret)({ request })
  const cookie = Object.entries(passed.cookies)
    .filter(([name]) => passedCookies.includes(name))
    .flatMap(([name, field]) =>
      (field.multiValue ?? [field]).map(({ value }) => `${name}=${value}`),
    )
    .join('; ')
  return {
    devMode: passed.headers['x-dev-mode']?.value,
    cookie: cookie === '' ? undefined : cookie,
  }
}

/** A signed value as the edge accepts it. */
export function signSteering(name: string, expiresAt: Date, secret: string): string {
  const expiry = String(Math.floor(expiresAt.getTime() / 1000))
  return `${expiry}.${createHmac('sha256', secret).update(`${name}=${expiry}`).digest('hex')}`
}

const handlers = new Map<string | undefined, Handler>()

function loadHandler(secret: string | undefined): Handler {
  const known = handlers.get(secret)
  if (known !== undefined) return known
  const store = { exists: async () => secret !== undefined, get: async () => secret }
  const cf = { kvs: () => store }
  const loaded: unknown = runInNewContext(`${source}\nhandler`, { cf, crypto: { createHmac } })
  if (typeof loaded !== 'function') throw new Error('steering.js has no handler')
  // A function of another realm has no type here; what it returns is read by its callers' tests.
  const handler = loaded as Handler
  handlers.set(secret, handler)
  return handler
}

function cookiesOf(header: string): Record<string, Field> {
  const cookies: Record<string, Field> = {}
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0) continue
    const name = pair.slice(0, equals).trim()
    const value = pair.slice(equals + 1).trim()
    const first = cookies[name]
    if (name === '') continue
    else if (first === undefined) cookies[name] = { value }
    else first.multiValue = [...(first.multiValue ?? [{ value: first.value }]), { value }]
  }
  return cookies
}
