import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { PrismaClient } from './generated/client.ts'
import { serverAt } from './server.ts'
import type { Statement } from './sql.ts'

export interface DatabaseOptions {
  readonly url: string
  /** Connections of this process at most; the sum over all processes must fit the server. */
  readonly poolMax: number
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  /** Told of connections that broke while idle; the pool replaces them by itself. */
  readonly onIdleError?: (error: Error) => void
  readonly statementTimeoutMs?: number
}

/** Anything that runs statements: the pool, or the client of an open transaction. */
export interface Queryable {
  query<Row extends object>(statement: Statement): Promise<{ rows: Row[]; rowCount: number | null }>
}

const acquireTimeoutMs = 3_000
const statementTimeoutDefaultMs = 10_000
const lockTimeoutMs = 2_000
const idleInTransactionTimeoutMs = 5_000
const int8Oid = 20

/**
 * One pool of connections, and Prisma on the same pool for reads and admin CRUD (decision 3).
 * Every wait has a bound: acquiring 3 s, a statement 10 s, a lock 2 s, idle in a transaction 5 s.
 */
export class Database implements Queryable {
  readonly pool: pg.Pool
  #prisma: PrismaClient | undefined

  constructor(options: DatabaseOptions) {
    this.pool = new pg.Pool({
      ...serverAt(options.url),
      max: options.poolMax,
      application_name: options.applicationName,
      connectionTimeoutMillis: acquireTimeoutMs,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      statement_timeout: options.statementTimeoutMs ?? statementTimeoutDefaultMs,
      lock_timeout: lockTimeoutMs,
      idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
      types,
    })
    // Without a listener an idle connection that breaks would end the process.
    this.pool.on('error', error => options.onIdleError?.(error))
    // So would one that breaks between two statements of a transaction: then the pool does not
    // listen, and the next statement, or COMMIT, is what fails.
    this.pool.on('connect', client => client.on('error', () => undefined))
  }

  /** Prisma's client, made at first use: a service that never reads with it never loads it. */
  get prisma(): PrismaClient {
    this.#prisma ??= new PrismaClient({ adapter: new PrismaPg(this.pool) })
    return this.#prisma
  }

  query<Row extends object>(
    statement: Statement,
  ): Promise<{ rows: Row[]; rowCount: number | null }> {
    return this.pool.query<Row>(toQuery(statement))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#prisma?.$disconnect()
    await this.pool.end()
  }
}

/** Opens nothing yet: the first statement connects. Close it with `await using` or asyncDispose. */
export function openDatabase(options: DatabaseOptions): Database {
  return new Database(options)
}

/** What the driver takes: it would look for a name of undefined, too. */
export function toQuery({ name, text, values }: Statement): pg.QueryConfig {
  return name === undefined ? { text, values } : { name, text, values }
}

/** How the values of answers are read. */
export const types: pg.CustomTypesConfig = { getTypeParser: typeParser }

/** int8 becomes a number, and one that a number cannot hold is an error, not a rounding (M15). */
function typeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === int8Oid && format !== 'binary') return parseSafeInteger
  // Declared as any: a parser takes the text of a value and gives whatever its type is read as.
  return pg.types.getTypeParser(oid, format ?? 'text') as (value: string) => unknown
}

function parseSafeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 out of safe range: ${text}`)
  return value
}
