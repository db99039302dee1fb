import t, { type Test } from 'tap'
import { createTestDatabase } from '../../libs/database/src/testing.ts'
import { sql } from '../../libs/database/src/sql.ts'
import { compareDatabases, isEqual } from '../migrations/comparison.ts'

const rows = ['a', 'b']

/** Two databases with the same rows, put in in opposite orders. */
async function setup(t: Test) {
  const [from, to] = [await createTestDatabase(t), await createTestDatabase(t)]
  const orders = [
    { database: from.database, order: rows },
    { database: to.database, order: rows.toReversed() },
  ]
  for (const { database, order } of orders) {
    await database.query(sql`CREATE TABLE moved (name text, at timestamptz DEFAULT '2026-01-01Z')`)
    for (const name of order) await database.query(sql`INSERT INTO moved (name) VALUES (${name})`)
  }
  const heard: string[] = []
  const compare = () =>
    compareDatabases({ from: from.url, to: to.url }, ({ table }) => heard.push(table))
  const different = async () =>
    (await compare()).filter(found => !isEqual(found)).map(({ table }) => table)
  return { target: to.database, heard, compare, different }
}

t.test('the same rows in another order are the same', async t => {
  const { compare, different, heard } = await setup(t)

  const comparisons = await compare()

  t.equal(comparisons.find(({ table }) => table === 'moved')?.from?.rows, '2')
  t.same(
    heard,
    comparisons.map(({ table }) => table),
    'each is reported',
  )
  t.notOk(heard.includes('_prisma_migrations'))
  t.same(await different(), [])
})

t.test('a changed value, a row too many and a missing table are each found', async t => {
  const { target, different } = await setup(t)
  await target.query(sql`UPDATE moved SET name = 'c' WHERE name = 'a'`)
  await target.query(sql`CREATE TABLE more (id int)`)
  t.same(await different(), ['more', 'moved'])

  await target.query(sql`DROP TABLE more`)
  await target.query(sql`UPDATE moved SET name = 'a' WHERE name = 'c'`)
  t.same(await different(), [])

  await target.query(sql`INSERT INTO moved (name) VALUES ('a')`)
  t.same(await different(), ['moved'])
})
