import { createHash, type Hash } from 'node:crypto'
import type { Mode, Operation, Provider } from './scripts.ts'

export interface Call {
  readonly provider: Provider
  readonly operation: Operation
  readonly model: string | null
  /**
   * By which a caller may recognise its call: X-Client-Request-Id, Idempotency-Key, or what the
   * address that it wants to be called back at says after `call=`.
   */
  readonly clientReference: string | null
  /** The same input gives the same digest, also where no reference can be sent. */
  readonly inputSha256: string | null
  readonly at: string
  readonly mode: Mode
  /** True once the work has been taken on, and would be billed. */
  isAccepted: boolean
  /** The provider's id of the work, which a caller may not have learnt. */
  id: string | null
  /** From when to when the work was open, in milliseconds of the clock; null before. */
  openedAt: number | null
  closedAt: number | null
}

interface Tally {
  /** Calls that were taken on, whether or not the caller learnt of it. */
  submits: number
  attempts: number
  /** Work taken on and not finished yet, and the most there ever was at once. */
  open: number
  openMax: number
}

export interface CallReport {
  readonly providers: Readonly<Record<Provider, Readonly<Tally>>>
  readonly calls: readonly Readonly<Call>[]
}

const callsMax = 10_000

/** What was really asked of the providers: the oracle of tests on double submits and limits. */
export class CallLog {
  readonly #calls: Call[] = []
  #tallies = freshTallies()

  /** Notes an attempt before anything is decided about it. */
  note(call: Omit<Call, 'at' | 'isAccepted' | 'id' | 'openedAt' | 'closedAt'>): Call {
    const unopened = { isAccepted: false, id: null, openedAt: null, closedAt: null }
    const noted: Call = { ...call, at: new Date().toISOString(), ...unopened }
    if (this.#calls.length >= callsMax) this.#calls.shift()
    this.#calls.push(noted)
    if (call.operation === 'submit') this.#tallies[call.provider].attempts++
    return noted
  }

  /** Notes that the work is taken on; the function that comes back notes its end. */
  accept(call: Call, id: string): () => void {
    const tally = this.#tallies[call.provider]
    call.isAccepted = true
    call.id = id
    call.openedAt = Date.now()
    tally.submits++
    tally.open++
    tally.openMax = Math.max(tally.openMax, tally.open)
    let isOpen = true
    return () => {
      if (!isOpen) return
      isOpen = false
      tally.open--
      call.closedAt = Date.now()
    }
  }

  report(): CallReport {
    return structuredClone({ providers: this.#tallies, calls: this.#calls })
  }

  clear(): void {
    this.#calls.length = 0
    this.#tallies = freshTallies()
  }
}

function freshTallies(): Record<Provider, Tally> {
  const fresh = (): Tally => ({ submits: 0, attempts: 0, open: 0, openMax: 0 })
  return { openai: fresh(), replicate: fresh(), fal: fresh(), tripo: fresh(), google: fresh() }
}

/** A digest of an input: of its fields in any order, and of the bytes of its files. */
export function digestOf(input: unknown): string {
  const hash = createHash('sha256')
  addTo(hash, input)
  return hash.digest('hex')
}

function addTo(hash: Hash, value: unknown): void {
  if (Buffer.isBuffer(value)) hash.update('bytes').update(value)
  else if (Array.isArray(value)) for (const item of value) addTo(hash.update('['), item)
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value).toSorted(byKey)) {
      addTo(hash.update(JSON.stringify(key)), item)
    }
  } else hash.update(JSON.stringify(value) ?? 'undefined')
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : Number(a > b)
}
