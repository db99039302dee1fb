import { setTimeout as pause } from 'node:timers/promises'
import type { History } from './history.ts'

export interface Reply {
  /** 0 when there was no answer, or half of one: what became of the request is unknown. */
  readonly status: number
  readonly code: string | undefined
  // Another program's JSON, read field by field.
  readonly body: Record<string, unknown>
}

export interface Request {
  readonly method: string
  readonly path: string
  readonly body?: object | undefined
  readonly key?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Whoever hangs up before the answer does not know what became of it. */
  readonly patienceMs?: number | undefined
}

const requestTimeoutMs = 15_000
const repeatTriesMax = 120
const repeatPauseMs = 500
const idPattern = /[0-9a-f]{8}-[0-9a-f-]{27}/g
// Nothing is wrong with the request, so the same one may be sent again.
const passing: readonly number[] = [0, 429, 502, 503, 504]

/** One person's client: keeps the cookie and writes down every exchange. */
export class Browser {
  readonly #edge: string
  readonly #history: History
  readonly #signal: AbortSignal
  #cookie = ''

  constructor(edge: string, history: History, signal: AbortSignal) {
    this.#edge = edge
    this.#history = history
    this.#signal = signal
  }

  /** Sends once. */
  async send(request: Request): Promise<Reply> {
    const { method, path, patienceMs } = request
    const startedAt = performance.now()
    const route = path.replace(idPattern, ':id').replace(/\?.*/, '')
    const open = this.#history.begin(method, route)
    const { status, code, body } = await this.#exchange(request)
    open.end()
    const isHungUp = status === 0 && patienceMs !== undefined
    const endedAt = performance.now()
    this.#history.exchanges.push({ method, route, status, code, startedAt, endedAt, isHungUp })
    return { status, code, body }
  }

  /** Sends until there is an answer that says what became of it. */
  async sendUntilKnown(request: Request): Promise<Reply> {
    let reply = await this.send(request)
    for (let tries = 1; passing.includes(reply.status) && tries < repeatTriesMax; tries++) {
      // Throws when the run is called off.
      await pause(repeatPauseMs, undefined, { signal: this.#signal })
      reply = await this.send(request)
    }
    return reply
  }

  async #exchange({ method, path, body, key, headers, patienceMs }: Request): Promise<Reply> {
    const timeoutMs = patienceMs ?? requestTimeoutMs
    try {
      const response = await fetch(`${this.#edge}${path}`, {
        method,
        headers: {
          ...(this.#cookie === '' ? {} : { cookie: this.#cookie }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(timeoutMs)]),
      })
      const [setCookie] = response.headers.getSetCookie()
      const answer = recordOf(parse(await response.text()))
      if (setCookie !== undefined) this.#cookie = setCookie.split(';', 1)[0] ?? ''
      const code = textOf(recordOf(answer['error'])['code'])
      return { status: response.status, code, body: answer }
    } catch (error) {
      this.#signal.throwIfAborted()
      if (!(error instanceof Error)) throw error
      // Refused, reset, cut off or too slow: all the same to a client.
      return { status: 0, code: undefined, body: {} }
    }
  }
}

function parse(text: string): unknown {
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    // A gateway's own page.
    return {}
  }
}

/** The fields of an object; none of anything else. */
export function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value))
}

/** The items of a list; none of anything else. */
export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
