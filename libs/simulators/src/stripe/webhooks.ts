import { createHmac } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Log } from '../listening.ts'
import { nowSeconds, type StripeEvent } from './objects.ts'

/** What becomes of the next deliveries. */
export interface DeliveryScript {
  readonly mode: 'drop' | 'delay' | 'duplicate'
  readonly delayMs?: number
  /** How often a duplicate comes in all, at the same time. */
  readonly copies?: number
  /** For how many events; all from now on without it. */
  readonly times?: number
}

export interface Delivery {
  readonly eventId: string
  readonly type: string
  readonly attempt: number
  readonly status: number | 'dropped' | 'unreachable'
}

const attemptsMax = 12
const deliveriesMax = 1_000
const firstRetryMs = 250
const retryMaxMs = 8_000
const timeoutMs = 10_000

/** The header that Stripe puts on a webhook: the time, and an HMAC over it and the body. */
export function signatureOf(body: string, secret: string, seconds = nowSeconds()): string {
  const signature = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
  return `t=${seconds},v1=${signature}`
}

/** Sends events to one address, again and again until it says that it has them. */
export class Webhooks {
  readonly #target: { readonly url: string; readonly secret: string } | undefined
  readonly #log: Log
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #scripts: { script: DeliveryScript; left: number }[] = []
  readonly deliveries: Delivery[] = []

  constructor(target: { readonly url: string; readonly secret: string } | undefined, log: Log) {
    this.#target = target
    this.#log = log
  }

  script(script: DeliveryScript): void {
    this.#scripts.push({ script, left: script.times ?? Infinity })
  }

  clearScripts(): void {
    this.#scripts = []
  }

  send(event: StripeEvent): void {
    const script = this.#nextScript()
    if (script?.mode === 'drop') {
      this.#note({ eventId: event.id, type: event.type, attempt: 0, status: 'dropped' })
      return
    }
    const copies = script?.mode === 'duplicate' ? (script.copies ?? 2) : 1
    for (let copy = 0; copy < copies; copy++) this.#start(event, script?.delayMs ?? 0)
  }

  /** Ends what is still to be retried. */
  async close(): Promise<void> {
    this.#stopping.abort()
    // At most one run for each copy of an event that is still to be delivered.
    await Promise.allSettled(this.#running)
  }

  #nextScript(): DeliveryScript | undefined {
    const [first] = this.#scripts
    if (first === undefined) return undefined
    first.left -= 1
    if (first.left <= 0) this.#scripts.shift()
    return first.script
  }

  #start(event: StripeEvent, delayMs: number): void {
    const run = this.#deliver(event, delayMs).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) {
        this.#log({ event: 'stripe.bug', error: String(error) })
      }
    })
    this.#running.add(run)
    void run.finally(() => this.#running.delete(run))
  }

  async #deliver(event: StripeEvent, delayMs: number): Promise<void> {
    const { signal } = this.#stopping
    if (delayMs > 0) await wait(delayMs, undefined, { signal })
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const status = await this.#post(event)
      this.#note({ eventId: event.id, type: event.type, attempt, status })
      if (typeof status === 'number' && status >= 200 && status < 300) return
      await wait(Math.min(firstRetryMs * 2 ** attempt, retryMaxMs), undefined, { signal })
    }
  }

  async #post(event: StripeEvent): Promise<number | 'unreachable'> {
    if (this.#target === undefined) return 'unreachable'
    const body = JSON.stringify(event, undefined, 2)
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'stripe-signature': signatureOf(body, this.#target.secret),
      'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
    }
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(timeoutMs)])
    try {
      const response = await fetch(this.#target.url, { method: 'POST', headers, body, signal })
      await response.body?.cancel()
      return response.status
    } catch {
      // Nobody there: tried again like any refusal.
      return 'unreachable'
    }
  }

  #note(delivery: Delivery): void {
    this.deliveries.push(delivery)
    if (this.deliveries.length > deliveriesMax) this.deliveries.shift()
    this.#log({ event: 'stripe.webhook', ...delivery, event_type: delivery.type })
  }
}
