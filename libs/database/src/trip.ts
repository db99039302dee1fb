import pg, { type Connection, type Query, type Submittable } from 'pg'
import { toQuery, types } from './client.ts'
import type { Statement } from './sql.ts'

/** What a statement gave. */
export interface Answer<Row extends object> {
  /** The first word of the command tag: SELECT, COMMIT, ROLLBACK. */
  command: string
  rows: Row[]
  rowCount: number | null
}

/** What the client of pg calls of a query, which its types leave out. */
interface SentQuery extends Query<object> {
  readonly name?: string
  readonly text: string
  readonly values: unknown[]
  /** What it returns it has refused to send. */
  submit: (connection: Connection) => Error | null
  handleRowDescription(message: unknown): void
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: Connection): void
  handleEmptyQuery(connection: Connection): void
  handleReadyForQuery(): void
  handleError(error: unknown): void
}

/** Where pg keeps the names that it has sent to be prepared and not heard of yet. */
interface Preparing extends Connection {
  readonly submittedNamedStatements: Record<string, string>
}

/**
 * Statements that go to Postgres in one write, and whose answers come back together. They end with
 * one Sync, so that after the first that fails Postgres skips the others ("Pipelining", PostgreSQL
 * 18 §54.2.4): none of them runs outside of a transaction whose BEGIN, ahead of them, has failed.
 * In the pipeline of pg itself each has a Sync of its own, and what is behind a failure runs.
 *
 * It is what the client of pg takes in place of a query: `client.query(trip)` sends it.
 */
export class Trip implements Submittable {
  readonly #queries: SentQuery[] = []
  /** Of the query whose answer is next to come. */
  #place = 0
  #isSent = false
  readonly #ended = Promise.withResolvers<void>()

  /** At the end. Instrumentation puts its own around it, as around that of any query. */
  callback: (failure?: unknown) => void = () => this.#ended.resolve()

  /** Settled when the connection can be used for the next; a failure is told by the statements. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** In their order. */
  get statements(): readonly Statement[] {
    return this.#queries
  }

  /** By this and the text the client knows what has been prepared, and what has not. */
  get name(): string | undefined {
    return this.#isSent ? this.#queries[this.#place]?.name : undefined
  }

  /** Of all before it is sent, which is what a trace shows. */
  get text(): string | undefined {
    if (this.#isSent) return this.#queries[this.#place]?.text
    return this.#queries.map(({ text }) => text).join('; ')
  }

  /** Adds a statement, before the trip is sent. It fails, too, when one ahead of it does. */
  add<Row extends object>(statement: Statement): Promise<Answer<Row>> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer<Row>>()
    // Without values it would go by the simple protocol, which knows no groups.
    const config = { ...toQuery(statement), types, queryMode: 'extended' }
    const query: Query<object> = new pg.Query<Row>(config, (error, result) => {
      if (error) reject(error)
      else resolve(result)
    })
    // See the interface.
    this.#queries.push(query as SentQuery)
    return promise
  }

  submit(connection: Connection): void {
    this.#isSent = true
    // Closed is what was to be prepared for values that then could not be sent.
    const refuse = () => {
      isWhole = false
    }
    let isWhole = true
    const nothing = { value: () => undefined }
    const own = { sync: nothing, close: { value: refuse } }
    // The connection, but for these two.
    const group = Object.create(connection, own) as Connection
    connection.stream.cork()
    try {
      for (const query of this.#queries) if (query.submit(group) !== null) refuse()
      if (isWhole) connection.sync()
      // The others must not go without it, and nothing has gone yet.
      else connection.stream.destroy(new Error('a statement could not be sent'))
    } finally {
      connection.stream.uncork()
    }
  }

  handleRowDescription(message: unknown): void {
    this.#queries[this.#place]?.handleRowDescription(message)
  }

  handleDataRow(message: unknown): void {
    this.#queries[this.#place]?.handleDataRow(message)
  }

  handleCommandComplete(message: unknown, connection: Connection): void {
    this.#queries[this.#place]?.handleCommandComplete(message, connection)
    this.#place += 1
  }

  handleEmptyQuery(): void {
    this.#place += 1
  }

  handleReadyForQuery(): void {
    for (const query of this.#queries) query.handleReadyForQuery()
    this.callback()
  }

  /** Also called for a connection that broke. */
  handleError(error: unknown, { submittedNamedStatements }: Preparing): void {
    // What was skipped was not prepared either.
    for (const { name } of this.#queries.slice(this.#place + 1)) {
      if (name !== undefined) delete submittedNamedStatements[name]
    }
    this.refuse(error)
  }

  /** Fails all that has not been answered. */
  refuse(error: unknown): void {
    for (const [place, query] of this.#queries.entries()) {
      if (place < this.#place) query.handleReadyForQuery()
      else query.handleError(error)
    }
    this.callback(error)
  }
}
