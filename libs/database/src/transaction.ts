import { setTimeout as wait } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { toQuery, type Database, type Queryable } from './client.ts'
import type { Statement } from './sql.ts'

/** The client of an open transaction. Statements on it commit together or not at all. */
export interface Transaction extends Queryable {
  readonly isTransaction: true
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
 * it only say that the transaction is aborted.
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
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const result = await work(asTransaction(client))
    await client.query('COMMIT')
    return result
  } catch (error) {
    broken = await rollBack(client)
    throw error
  } finally {
    client.release(broken)
  }
}

function asTransaction(client: PoolClient): Transaction {
  return {
    isTransaction: true,
    query: <Row extends object>(statement: Statement) => client.query<Row>(toQuery(statement)),
  }
}

/** A connection that cannot even roll back is returned as an error, so the pool drops it. */
async function rollBack(client: PoolClient): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK')
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error('ROLLBACK failed', { cause: error })
  }
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
