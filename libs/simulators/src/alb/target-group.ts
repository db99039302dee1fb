import { Agent, type ClientRequest, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

interface TargetGroupOptions {
  readonly addresses: readonly string[]
  readonly healthPath: string
  readonly healthIntervalMs: number
  readonly healthTimeoutMs: number
  readonly connectTimeoutMs: number
  /** How long a request waits for a copy that accepts connections, as during a restart. */
  readonly waitMs: number
}

interface Target {
  readonly url: URL
  isHealthy: boolean
}

interface Connected {
  readonly kind: 'connected'
  readonly request: ClientRequest
}
export interface NotConnected {
  readonly kind: 'empty' | 'refused' | 'timed-out'
}

const failuresBeforeUnhealthy = 2
const retryEveryMs = 100
const connectionsMax = 1024
const idleConnectionsMax = 64

/**
 * The copies of one service. Requests go round-robin over the healthy ones; when none is healthy
 * all of them are tried, as an ALB fails open. A copy that refuses the connection has not seen
 * one byte of the request, so the next copy may be tried whatever the method is.
 */
export class TargetGroup {
  readonly #options: TargetGroupOptions
  readonly #targets: readonly Target[]
  readonly #agent = new Agent({
    keepAlive: true,
    maxSockets: connectionsMax,
    maxFreeSockets: idleConnectionsMax,
  })
  readonly #stop = new AbortController()
  readonly #checks: Promise<unknown>
  #turn = 0

  constructor(options: TargetGroupOptions) {
    this.#options = options
    this.#targets = options.addresses.map(url => ({ url: new URL(url), isHealthy: true }))
    // As many loops as there are copies.
    this.#checks = Promise.all(this.#targets.map(target => this.#watch(target)))
  }

  get addresses(): readonly string[] {
    return this.#options.addresses
  }

  get healthyCount(): number {
    return this.#targets.filter(target => target.isHealthy).length
  }

  /** Opens a connection for one request; nothing has been sent on it when this resolves. */
  async open(
    send: (target: URL, agent: Agent) => ClientRequest,
    signal: AbortSignal,
  ): Promise<Connected | NotConnected> {
    if (this.#targets.length === 0) return { kind: 'empty' }
    const deadline = Date.now() + this.#options.waitMs
    let failure: NotConnected = { kind: 'refused' }
    // The last try comes after the wait, however late the timer of a busy machine wakes us.
    for (let isLastTry = false; !isLastTry;) {
      isLastTry = Date.now() >= deadline
      for (const target of this.#candidates(isLastTry)) {
        const request = send(target.url, this.#agent)
        const outcome = await connect(request, this.#options.connectTimeoutMs, signal)
        if (outcome === 'connected') return { kind: 'connected', request }
        failure = { kind: outcome }
        if (outcome === 'refused') target.isHealthy = false
        if (signal.aborted || outcome === 'timed-out') return failure
      }
      if (signal.aborted || this.#stop.signal.aborted) return failure
      if (!isLastTry) await sleep(Math.min(retryEveryMs, Math.max(deadline - Date.now(), 0)))
    }
    return failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#agent.destroy()
    await this.#checks
  }

  /**
   * The healthy targets in turn. Without one the request waits, because a target that drains would
   * take it and may be gone before it answers; at the end of the wait all are tried, as ALB does.
   */
  #candidates(isLastTry: boolean): Target[] {
    const healthy = this.#targets.filter(target => target.isHealthy)
    const usable = healthy.length > 0 || !isLastTry ? healthy : this.#targets
    if (usable.length === 0) return []
    const first = this.#turn++ % usable.length
    return [...usable.slice(first), ...usable.slice(0, first)]
  }

  /** Ends when the group is disposed of. */
  async #watch(target: Target): Promise<void> {
    let failures = 0
    while (!this.#stop.signal.aborted) {
      failures = (await this.#isServing(target)) ? 0 : failures + 1
      if (failures === 0) target.isHealthy = true
      if (failures >= failuresBeforeUnhealthy) target.isHealthy = false
      const pause = sleep(this.#options.healthIntervalMs, undefined, { signal: this.#stop.signal })
      await pause.catch(ignoreAbort)
    }
  }

  async #isServing(target: Target): Promise<boolean> {
    const timeout = AbortSignal.timeout(this.#options.healthTimeoutMs)
    const signal = AbortSignal.any([timeout, this.#stop.signal])
    try {
      const reply = await fetch(new URL(this.#options.healthPath, target.url), {
        signal,
        redirect: 'manual',
        headers: { 'user-agent': 'ELB-HealthChecker/2.0' },
      })
      await reply.arrayBuffer()
      return reply.status === 200
    } catch {
      // Refused, timed out or cut off: not serving, whichever it was.
      return false
    }
  }
}

async function connect(
  request: ClientRequest,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<'connected' | 'refused' | 'timed-out'> {
  const { promise, resolve } = Promise.withResolvers<'connected' | 'refused' | 'timed-out'>()
  const onAbort = () => resolve('refused')
  // Stays attached, so that an error between this and the sending of the request is not lost:
  // the request is then found destroyed.
  request.on('error', () => resolve('refused'))
  signal.addEventListener('abort', onAbort, { once: true })
  const timer = setTimeout(() => resolve('timed-out'), timeoutMs)
  request.once('socket', socket => {
    if (socket.connecting) socket.once('connect', () => resolve('connected'))
    else resolve('connected')
  })
  const outcome = await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', onAbort)
  if (outcome !== 'connected') request.destroy()
  return outcome
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error
}

/** Makes the request of one exchange without sending anything. */
export function prepare(
  target: URL,
  options: {
    method: string
    path: string
    headers: readonly string[]
    agent: Agent | false
  },
): ClientRequest {
  return httpRequest({
    host: target.hostname,
    port: target.port === '' ? 80 : target.port,
    method: options.method,
    path: options.path,
    headers: options.headers,
    agent: options.agent,
  })
}
