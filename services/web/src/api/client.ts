// The one door to the platform's API, typed by libs/contract. The session is a cookie of the page's
// own origin, so no request carries a token.
import { ApiProblem, readProblem } from './problem.ts'

type Query = Readonly<Record<string, string | number | undefined>>

interface Call {
  readonly query?: Query
  readonly body?: object
  /** Repeats with one key are one order. */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
}

const timeoutMs = 30_000
let onSessionEnded: () => void = () => undefined

/** Who is told when the platform no longer knows the session. */
export function watchSessionEnd(listener: () => void): void {
  onSessionEnded = listener
}

export function get<Reply>(path: string, call: Call = {}): Promise<Reply> {
  return send('GET', path, call)
}

export function post<Reply>(path: string, call: Call = {}): Promise<Reply> {
  return send('POST', path, call)
}

/** For what has no reply of its own. */
export async function remove(path: string): Promise<void> {
  await request('DELETE', path, {})
}

/** A key for one order. `crypto.randomUUID` is only there under HTTPS and on one's own machine. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

async function send<Reply>(method: string, path: string, call: Call): Promise<Reply> {
  const response = await request(method, path, call)
  try {
    // What a path answers is in libs/contract; tests hold the services to it.
    return (await response.json()) as Reply
  } catch (cause) {
    throw new ApiProblem('UNREADABLE', 'The answer of the platform broke off.', { cause })
  }
}

async function request(method: string, path: string, call: Call): Promise<Response> {
  const headers = new Headers({ accept: 'application/json' })
  if (call.body !== undefined) headers.set('content-type', 'application/json')
  if (call.idempotencyKey !== undefined) headers.set('idempotency-key', call.idempotencyKey)
  const limit = AbortSignal.timeout(timeoutMs)
  const response = await reach(path + textOf(call.query), {
    method,
    headers,
    ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
    signal: call.signal === undefined ? limit : AbortSignal.any([limit, call.signal]),
  })
  if (response.ok) return response
  throw await problemOf(response)
}

/** Fetches, and says in the platform's way that there was no answer. Throws AbortError as it is. */
export async function reach(address: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(address, init)
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw new ApiProblem('OFFLINE', 'FunMagic cannot be reached.', {
      suggestion: 'Look at your connection and try again.',
      cause,
    })
  }
}

/** The problem of a reply; one about the session itself is told to whoever watches it. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const problem = await readProblem(response)
  if (problem.code === 'UNAUTHORIZED') onSessionEnded()
  return problem
}

function textOf(query: Query = {}): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  )
  return parts.length === 0 ? '' : `?${new URLSearchParams(parts)}`
}
