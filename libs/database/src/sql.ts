import { createHash } from 'node:crypto'
import sqlTag, { type Sql } from 'sql-template-tag'

export type { Sql }
export { empty, join, raw } from 'sql-template-tag'

/** Tags a statement: interpolated values become bind parameters, never text. */
export const sql = sqlTag

/** What is sent to Postgres; with a name it is parsed and planned once for each connection. */
export interface Statement {
  readonly text: string
  readonly values: unknown[]
  readonly name?: string
}

const names = new Map<string, string>()
const nameLength = 32

/**
 * For statements that run all the time: parsing and planning a long one takes as long as running
 * it. Its text must be one of few, since every connection keeps every one of them.
 */
export function prepared({ text, values }: Sql): Statement {
  const known = names.get(text)
  const name = known ?? createHash('sha256').update(text).digest('hex').slice(0, nameLength)
  if (known === undefined) names.set(text, name)
  return { name, text, values }
}
