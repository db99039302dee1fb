import { Agent, request, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Setting } from './setting.ts'

export interface Reply {
  readonly body: Buffer
  /** Until the last byte. */
  readonly durationMs: number
}

export interface Call {
  readonly method?: 'GET' | 'POST'
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Calls one service over connections that stay open, as a load balancer does, with a session. */
export class Caller {
  readonly #address: string
  readonly #cookie: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })

  constructor(setting: Setting, address: string, cookie: string) {
    this.#address = address
    this.#cookie = cookie
    setting.onClose(() => this.#agent.destroy())
  }

  /** Anything but a success is an error: what is refused quickly would look fast. */
  async call(path: string, { method = 'GET', body, headers = {} }: Call = {}): Promise<Reply> {
    const startedAt = performance.now()
    const text = body === undefined ? undefined : JSON.stringify(body)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const outgoing = request(`${this.#address}${path}`, {
      agent: this.#agent,
      method,
      headers: {
        cookie: this.#cookie,
        ...(text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...headers,
      },
    })
    outgoing.on('response', resolve).on('error', reject).end(text)
    const incoming = await promise
    const replyBody = await buffer(incoming)
    const { statusCode = 0 } = incoming
    if (statusCode < 200 || statusCode > 299) {
      throw new Error(`${method} ${path} answered ${statusCode}: ${replyBody.toString()}`)
    }
    return { body: replyBody, durationMs: performance.now() - startedAt }
  }

  /** How long each took, one after the other. */
  async repeat(path: string, times: number): Promise<number[]> {
    const durations: number[] = []
    for (let time = 0; time < times; time++) durations.push((await this.call(path)).durationMs)
    return durations
  }
}

/** The duration that so many of a hundred did not exceed. */
export function percentile(durations: readonly number[], percent: number): number {
  const sorted = durations.toSorted((a, b) => a - b)
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN
}
