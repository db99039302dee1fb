import { setTimeout as wait } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import type { Database, Queryable } from './client.ts'
import type { Statement } from './sql.ts'
import { Trip, type Answer } from './trip.ts'

/** An open transaction. Its statements commit together or not at all. */
export interface Transaction extends Queryable {
  /** Its last statement, which COMMIT goes along with; resolved when that is done. */
  commitWith<Row extends object>(statement: Statement): Promise<Answer<Row>>
}

const serializationFailure = '40001'
const deadlockDetected = '40P01'
const attemptsMax = 4

/**
 * Runs the work in one transaction and commits it. A serialization failure or a deadlock is
 * tried again, three times at most, with jitter; so the work must have no effect outside the
 * transaction. Any other error rolls back and is thrown on.
 */
export async function inTransaction<Result>(
  database: Database,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    // Bounded by attemptsMax: the last attempt's error leaves the loop.
    try {
      return await attemptTransaction(database, work)
    } catch (error) {
      if (attempt >= attemptsMax || !isWorthRetry(error)) throw error
      await wait(Math.random() * 20 * 2 ** attempt)
    }
  }
}

/**
 * Waits for statements that were sent to one transaction at once, so that they share a trip to
 * Postgres, which answers in the order they were sent. All of them are waited for, whatever fails:
 * the connection is not free before. Then the first failure in their order is thrown; those after
 * it have failed with it.
 */
export async function inOneTrip<Works extends readonly Promise<unknown>[]>(
  ...works: Works
): Promise<{ -readonly [Place in keyof Works]: Awaited<Works[Place]> }> {
  // As many as the caller has written down.
  await Promise.allSettled(works)
  // The same.
  return Promise.all(works)
}

async function attemptTransaction<Result>(
  database: Database,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const client = await database.pool.connect()
  const transaction = new OpenTransaction(client)
  let broken: Error | undefined
  try {
    const result = await work(transaction)
    await transaction.commit()
    return result
  } catch (error) {
    broken = await transaction.rollBack()
    throw error
  } finally {
    client.release(broken)
  }
}

const begin: Statement = { name: 'begin', text: 'BEGIN', values: [] }
const commit: Statement = { name: 'commit', text: 'COMMIT', values: [] }

/**
 * Sends what is asked for at once in one trip, and BEGIN with the first: what is asked for while a
 * trip is under way goes with the next.
 */
class OpenTransaction implements Transaction {
  readonly #client: PoolClient
  #next: Trip | undefined
  #isBegun = false
  #isOver = false
  #underWay: Promise<void> = Promise.resolve()

  constructor(client: PoolClient) {
    this.#client = client
  }

  async query<Row extends object>(statement: Statement): Promise<Answer<Row>> {
    return this.#answerOf(this.#trip().add<Row>(statement))
  }

  async commitWith<Row extends object>(statement: Statement): Promise<Answer<Row>> {
    const trip = this.#trip()
    const answer = trip.add<Row>(statement)
    const end = trip.add(commit)
    this.#isOver = true
    const [answered, ended] = await this.#answerOf(inOneTrip(answer, end))
    requireCommitted(ended)
    return answered
  }

  /** Unless the work has done that, or nothing was begun. */
  async commit(): Promise<void> {
    if (this.#isOver || !this.#isBegun) return
    requireCommitted(await this.query(commit))
    this.#isOver = true
  }

  /** A connection that cannot even roll back is returned as an error, so that the pool drops it. */
  async rollBack(): Promise<Error | undefined> {
    this.#isOver = true
    if (!this.#isBegun) return undefined
    await this.#underWay
    try {
      await this.#client.query('ROLLBACK')
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error('ROLLBACK failed', { cause: error })
    }
  }

  async #answerOf<Given>(answer: Promise<Given>): Promise<Given> {
    try {
      return await answer
    } catch (error) {
      // What pg says of a failure leads to its socket, and this to whoever asked.
      if (error instanceof Error) Error.captureStackTrace(error)
      throw error
    }
  }

  /** The one that has not left yet. */
  #trip(): Trip {
    if (this.#isOver) throw new Error('the transaction is over')
    if (this.#next !== undefined) return this.#next
    const trip = new Trip()
    this.#next = trip
    this.#underWay = this.#send(trip)
    // Those behind it fail with it.
    if (!this.#isBegun) void trip.add(begin).catch(() => undefined)
    this.#isBegun = true
    return trip
  }

  async #send(trip: Trip): Promise<void> {
    await this.#underWay
    this.#next = undefined
    this.#client.query(trip)
    await trip.ended
  }
}

/** Postgres answers COMMIT with ROLLBACK after a failure, even if nobody was told of that. */
function requireCommitted({ command }: Answer<object>): void {
  if (command !== 'COMMIT') throw new Error('rolled back: one of its statements had failed')
}

function isWorthRetry(error: unknown): boolean {
  const code = sqlStateOf(error)
  return code === serializationFailure || code === deadlockDetected
}

/** The SQLSTATE of a database error, or undefined for anything else. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
