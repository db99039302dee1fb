import { test } from 'tap'
import { prepared, sql } from '../src/sql.ts'
import { createTestDatabase } from '../src/testing.ts'
import { inTransaction } from '../src/transaction.ts'

test('a prepared statement is planned once for a connection and takes other values', async t => {
  const { database } = await createTestDatabase(t)
  const twice = (value: number) => prepared(sql`SELECT ${value}::int8 * 2 AS twice`)
  await inTransaction(database, async tx => {
    for (const value of [1, 2, 21]) {
      const { rows } = await tx.query<{ twice: number }>(twice(value))
      t.equal(rows[0]?.twice, value * 2)
    }
    const { rows } = await tx.query<{ statement: string }>(
      sql`SELECT statement FROM pg_prepared_statements WHERE NOT from_sql`,
    )
    const kept = rows.filter(({ statement }) => statement.includes('AS twice'))
    t.equal(kept.length, 1, 'the connection keeps it, once')
  })
})

test('another text has another name', t => {
  const [one, other] = [prepared(sql`SELECT 1`), prepared(sql`SELECT 2`)]
  t.not(one.name, other.name)
  t.equal(prepared(sql`SELECT 1`).name, one.name)
  t.end()
})
