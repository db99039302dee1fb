import t from 'tap'
import { sql } from '../src/sql.ts'
import { createTestDatabase } from '../src/testing.ts'
import { inOneTrip, inTransaction, sqlStateOf } from '../src/transaction.ts'

async function setup(t: { teardown(work: () => unknown): void }) {
  const { database } = await createTestDatabase(t)
  await database.query(sql`CREATE TABLE counters (name text PRIMARY KEY, value bigint NOT NULL)`)
  await database.query(sql`INSERT INTO counters VALUES ('a', 0), ('b', 0)`)
  const read = async () => {
    const { rows } = await database.query<{ value: number }>(
      sql`SELECT value FROM counters ORDER BY name`,
    )
    return rows.map(row => row.value)
  }
  return { database, read }
}

t.test('what a transaction wrote is there whole, or after an error not at all', async t => {
  const { database, read } = await setup(t)

  await inTransaction(database, tx => tx.query(sql`UPDATE counters SET value = 1`))
  await t.rejects(
    inTransaction(database, async tx => {
      await tx.query(sql`UPDATE counters SET value = 2`)
      throw new Error('changed my mind')
    }),
    { message: 'changed my mind' },
  )

  t.same(await read(), [1, 1])
})

t.test('two transactions that deadlock both end up committed', async t => {
  const { database, read } = await setup(t)
  const bothHoldOne = Promise.withResolvers<void>()
  let holding = 0
  const cross = (first: string, second: string) =>
    inTransaction(database, async tx => {
      await tx.query(sql`UPDATE counters SET value = value + 1 WHERE name = ${first}`)
      holding += 1
      if (holding === 2) bothHoldOne.resolve()
      await bothHoldOne.promise
      await tx.query(sql`UPDATE counters SET value = value + 1 WHERE name = ${second}`)
    })

  await Promise.all([cross('a', 'b'), cross('b', 'a')])

  t.same(await read(), [2, 2])
})

t.test(
  'a transaction whose snapshot another one has overtaken is run again on a new one',
  async t => {
    const { database, read } = await setup(t)
    let runs = 0

    await inTransaction(database, async tx => {
      runs += 1
      await tx.query(sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`)
      const { rows } = await tx.query<{ value: number }>(
        sql`SELECT value FROM counters WHERE name = 'a'`,
      )
      if (runs === 1) await database.query(sql`UPDATE counters SET value = 5 WHERE name = 'a'`)
      await tx.query(sql`UPDATE counters SET value = ${(rows[0]?.value ?? 0) + 1} WHERE name = 'a'`)
    })

    t.equal(runs, 2)
    t.same(await read(), [6, 0])
  },
)

t.test('after three more tries the failure is told, and nothing was written', async t => {
  const { database, read } = await setup(t)
  let runs = 0

  const work = inTransaction(database, async tx => {
    runs += 1
    await tx.query(sql`UPDATE counters SET value = 9`)
    await tx.query(sql`DO $$ BEGIN RAISE SQLSTATE '40001'; END $$`)
  })

  await t.rejects(work, { code: '40001' })
  t.equal(runs, 4)
  t.same(await read(), [0, 0])
})

t.test('an integer beyond what a number holds is an error, not a rounding', async t => {
  const { database } = await setup(t)

  await t.rejects(database.query(sql`SELECT 9007199254740993::bigint AS value`), RangeError)
})

t.test('a broken constraint is told by its SQLSTATE and is not retried', async t => {
  const { database } = await setup(t)
  let runs = 0

  const failed = inTransaction(database, async tx => {
    runs += 1
    await tx.query(sql`INSERT INTO counters VALUES ('a', 1)`)
  }).catch((error: unknown) => sqlStateOf(error))

  t.equal(await failed, '23505')
  t.equal(runs, 1)
})

t.test('after a failed transaction its connection is usable and nothing is left open', async t => {
  const { database } = await setup(t)

  await inTransaction(database, tx => tx.query(sql`SELECT nonsense`)).catch(() => undefined)

  const { rows } = await database.query<{ open: number }>(
    sql`SELECT count(*) AS open FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
  )
  t.same(rows, [{ open: 0 }])
})

t.test('a connection that breaks between two statements fails its transaction only', async t => {
  const { database, read } = await setup(t)

  const transaction = inTransaction(database, async tx => {
    const { rows } = await tx.query<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`)
    await tx.query(sql`UPDATE counters SET value = 1`)
    await database.query(sql`SELECT pg_terminate_backend(${rows[0]?.pid}, 20000)`)
    // The socket's end has been read when another statement has had its answer.
    await database.query(sql`SELECT 1`)
    await tx.query(sql`UPDATE counters SET value = 2`)
  })

  await t.rejects(transaction)
  t.same(await read(), [0, 0])
})

t.test('statements that share a trip run in their order, and each gets its own answer', async t => {
  const { database, read } = await setup(t)
  const add = (value: number) => sql`
    UPDATE counters SET value = value * 10 + ${value} WHERE name = 'a' RETURNING value`

  const answers = await inTransaction(database, tx =>
    inOneTrip(
      tx.query<{ value: number }>(add(1)),
      tx.query<{ value: number }>(add(2)),
      tx.query<{ value: number }>(add(3)),
    ),
  )

  t.same(
    answers.map(({ rows }) => rows[0]?.value),
    [1, 12, 123],
  )
  t.same(await read(), [123, 0])
})

t.test('of statements that share a trip the first failure is told, and nothing stays', async t => {
  const { database, read } = await setup(t)

  const failing = inTransaction(database, tx =>
    inOneTrip(
      tx.query(sql`UPDATE counters SET value = 7`),
      tx.query(sql`INSERT INTO counters VALUES ('a', 1)`),
      tx.query(sql`UPDATE counters SET value = 8`),
    ),
  )

  await t.rejects(failing, { code: '23505' })
  t.same(await read(), [0, 0])
})

t.test('a deadlock in a shared trip is tried again from the start', async t => {
  const { database, read } = await setup(t)
  const bothHoldOne = Promise.withResolvers<void>()
  let holding = 0
  const cross = (first: string, second: string) =>
    inTransaction(database, async tx => {
      await tx.query(sql`UPDATE counters SET value = value + 1 WHERE name = ${first}`)
      holding += 1
      if (holding === 2) bothHoldOne.resolve()
      await bothHoldOne.promise
      await inOneTrip(
        tx.query(sql`UPDATE counters SET value = value + 1 WHERE name = ${second}`),
        tx.query(sql`SELECT 1`),
      )
    })

  await Promise.all([cross('a', 'b'), cross('b', 'a')])

  t.same(await read(), [2, 2])
})
