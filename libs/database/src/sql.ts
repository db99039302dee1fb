import sqlTag, { type Sql } from 'sql-template-tag'

export type { Sql }
export { empty, join, raw } from 'sql-template-tag'

/** Tags a statement: interpolated values become bind parameters, never text. */
export const sql = sqlTag
