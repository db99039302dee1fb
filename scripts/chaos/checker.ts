import { setTimeout as pause } from 'node:timers/promises'
import type { TaskStatus } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { isFinished } from '@funmagic/task/task-state'
import { findBroken, invariantCount, type Violation } from './invariants.ts'

interface Seen {
  readonly id: string
  readonly status: TaskStatus
  readonly attempt: number
}

/** How long a due wake-up may wait in the outbox while nothing is broken (T5). */
const outboxAgeMaxMs = 20_000
const intervalMs = 400
const violationsMax = 50
/** Between two snapshots: what has ended stays, attempts only grow; and the outbox is emptied. */
const historyClaims = 2

export interface CheckerOptions {
  readonly database: Database
  /** Milliseconds since everything was whole. */
  readonly quietMs: () => number
  readonly onViolation: (violation: Violation) => void
}

/**
 * Looks at the books again and again, each time at one snapshot of everything, past all proxies.
 * A snapshot that cannot be had, because the server itself is restarting, is counted as such.
 */
export class Checker {
  readonly #options: CheckerOptions
  readonly #seen = new Map<string, Seen>()
  readonly #told = new Set<string>()
  readonly violations: Violation[] = []
  snapshots = 0
  missed = 0

  constructor(options: CheckerOptions) {
    this.#options = options
  }

  get checks(): number {
    return this.snapshots * (invariantCount + historyClaims)
  }

  /** Checks until it is stopped. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#tryCheck()
      // Aborted when the run is over; the loop then ends.
      await pause(intervalMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** One snapshot; throws when the server does not answer. */
  async check(): Promise<void> {
    const violations = await inTransaction(this.#options.database, async tx => {
      await tx.query(sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`)
      const broken = await findBroken(tx)
      return [...broken, ...(await this.#findBackward(tx)), ...(await this.#findStuck(tx))]
    })
    this.snapshots++
    for (const violation of violations) this.#note(violation)
  }

  async #tryCheck(): Promise<void> {
    try {
      await this.check()
    } catch (error) {
      if (!(error instanceof Error)) throw error
      this.missed++
    }
  }

  /** T1 over time: a task that has ended stays as it is, and its attempts only grow. */
  async #findBackward(tx: Transaction): Promise<Violation[]> {
    const { rows } = await tx.query<Seen>(sql`SELECT id, status, attempt FROM tasks`)
    const moved = rows.filter(({ id, status, attempt }) => {
      const before = this.#seen.get(id)
      if (before === undefined) return false
      return attempt < before.attempt || (isFinished(before.status) && status !== before.status)
    })
    const lost = this.#seen.size - rows.filter(({ id }) => this.#seen.has(id)).length
    for (const row of rows) this.#seen.set(row.id, row)
    const claim = 'A task that has ended stays as it is, attempts only grow, no task is lost.'
    if (moved.length === 0 && lost === 0) return []
    return [{ invariant: 'T1 in time', claim, rows: [...moved, { lost }] }]
  }

  async #findStuck(tx: Transaction): Promise<Violation[]> {
    if (this.#options.quietMs() < 2 * outboxAgeMaxMs) return []
    const { rows } = await tx.query(sql`
      SELECT id, topic, key, available_at FROM outbox WHERE sent_at IS NULL
        AND available_at < now() - ${outboxAgeMaxMs} * interval '1 millisecond' LIMIT 20
    `)
    const claim = 'A wake-up leaves the outbox soon when nothing is broken.'
    return rows.length === 0 ? [] : [{ invariant: 'T5', claim, rows }]
  }

  /** The same rows are told once, however many snapshots have them. */
  #note(violation: Violation): void {
    const name = JSON.stringify([violation.invariant, violation.rows])
    if (this.#told.has(name) || this.#told.size >= violationsMax) return
    this.#told.add(name)
    this.violations.push(violation)
    this.#options.onViolation(violation)
  }
}
