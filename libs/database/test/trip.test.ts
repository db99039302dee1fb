import t from 'tap'
import { openDatabase } from '../src/client.ts'
import { prepared, sql, type Sql } from '../src/sql.ts'
import { createTestDatabase } from '../src/testing.ts'
import { inOneTrip, inTransaction } from '../src/transaction.ts'
import { Trip } from '../src/trip.ts'

async function setup(t: { teardown(work: () => unknown): void }) {
  const { url, database: reader } = await createTestDatabase(t)
  // One connection, so that what a test leaves on it the next statement finds.
  const database = openDatabase({ url, poolMax: 1, applicationName: 'trip' })
  t.teardown(() => database[Symbol.asyncDispose]())
  await database.query(sql`CREATE TABLE notes (note text PRIMARY KEY)`)
  const note = (text: string) => sql`INSERT INTO notes VALUES (${text})`
  const read = async () => {
    const { rows } = await reader.query<{ note: string }>(sql`SELECT note FROM notes ORDER BY 1`)
    return rows.map(row => row.note)
  }
  return { database, note, read }
}

t.test('nothing behind a statement that fails is run, in a transaction or not', async t => {
  const { database, note, read } = await setup(t)
  const client = await database.pool.connect()
  const trip = new Trip()
  const answers = [trip.add(note('a')), trip.add(sql`SELECT nonsense`), trip.add(note('b'))]
  const outcomes = Promise.allSettled(answers)
  client.query(trip)
  await trip.ended
  client.release()

  t.match(await outcomes, [
    { status: 'fulfilled', value: { command: 'INSERT', rowCount: 1 } },
    { status: 'rejected', reason: { code: '42703' } },
    { status: 'rejected', reason: { code: '42703' } },
  ])
  // What shares a Sync outside of a transaction shares its fate.
  t.same(await read(), [])
})

t.test('nothing is run outside of a transaction whose BEGIN has failed', async t => {
  const { database, note, read } = await setup(t)
  // The name is taken on the only connection, so BEGIN cannot be prepared there.
  await database.query(sql`PREPARE "begin" AS SELECT 1`)

  const failing = inTransaction(database, tx => inOneTrip(tx.query(note('a')), tx.query(note('b'))))
  await t.rejects(failing, { code: '42P05' })
  const ending = inTransaction(database, tx => tx.commitWith(note('c')))
  await t.rejects(ending, { code: '42P05' })

  t.same(await read(), [])
})

t.test('what was to be prepared behind a failure is prepared the next time', async t => {
  const { database, note, read } = await setup(t)
  const keep = (text: string) => prepared(sql`INSERT INTO notes VALUES (${text}) RETURNING note`)
  const broken = prepared(sql`SELECT 1 / ${0}::int`)

  for (const expected of ['22012', '22012']) {
    const failing = inTransaction(database, tx =>
      inOneTrip(tx.query(note('a')), tx.query(broken), tx.query(keep('b'))),
    )
    await t.rejects(failing, { code: expected })
  }
  await inTransaction(database, tx => tx.query(keep('c')))
  await database.query(keep('d'))

  t.same(await read(), ['c', 'd'])
})

t.test('what is asked for while a trip is under way goes with the next', async t => {
  const { database, note, read } = await setup(t)

  await inTransaction(database, async tx => {
    const first = tx.query(note('a'))
    await Promise.resolve()
    await inOneTrip(first, tx.query(note('b')), tx.query(sql`SELECT pg_sleep(0.01)`))
    await inOneTrip(tx.query(note('c')), tx.query(note('d')))
  })

  t.same(await read(), ['a', 'b', 'c', 'd'])
})

t.test('the last statement takes COMMIT along, and nothing can follow it', async t => {
  const { database, note, read } = await setup(t)

  await inTransaction(database, async tx => {
    await tx.query(note('a'))
    await tx.commitWith(note('b'))
    t.same(await read(), ['a', 'b'], 'it is committed already')
    await t.rejects(tx.query(note('c')), /the transaction is over/)
    await t.rejects(tx.commitWith(note('c')), /the transaction is over/)
  })
})

t.test('a last statement that fails takes everything back', async t => {
  const { database, note, read } = await setup(t)

  const alone = inTransaction(database, tx => tx.commitWith(sql`SELECT nonsense`))
  await t.rejects(alone, { code: '42703' })
  const failing = inTransaction(database, async tx => {
    await tx.query(note('a'))
    await tx.commitWith(note('a'))
  })
  await t.rejects(failing, { code: '23505' })

  t.same(await read(), [])
})

t.test('a statement that cannot be sent takes the others back with it', async t => {
  const { database, note, read } = await setup(t)
  const endless: Record<string, unknown> = {}
  endless['itself'] = endless

  const failing = inTransaction(database, async tx => {
    await tx.query(note('a'))
    await inOneTrip(tx.query(note('b')), tx.query(sql`SELECT ${endless}`), tx.query(note('c')))
  })

  await t.rejects(failing, /circular|could not be sent/)
  t.same(await read(), [], 'on another connection')
})

t.test('a failure that nobody was told of is told by COMMIT', async t => {
  const { database, note, read } = await setup(t)

  const swallowing = inTransaction(database, async tx => {
    await tx.query(note('a'))
    await tx.query(sql`SELECT nonsense`).catch(() => undefined)
  })

  await t.rejects(swallowing, /rolled back: one of its statements had failed/)
  t.same(await read(), [])
})

t.test('a transaction that asks for nothing costs nothing', async t => {
  const { database } = await setup(t)

  t.equal(await inTransaction(database, async () => 'done'), 'done')
  await t.rejects(
    inTransaction(database, async () => {
      throw new Error('before anything')
    }),
    /before anything/,
  )
})

t.test('an empty statement and a value that is no safe integer keep their places', async t => {
  const { database } = await setup(t)
  const huge = sql`SELECT 9007199254740993::bigint AS value`

  const outcomes = await inTransaction(database, tx =>
    Promise.allSettled([tx.query(sql``), tx.query(huge), tx.query(sql`SELECT 1 AS one`)]),
  )

  t.match(outcomes, [
    { status: 'fulfilled', value: { rows: [] } },
    { status: 'rejected', reason: RangeError },
    { status: 'fulfilled', value: { rows: [{ one: 1 }] } },
  ])
})

t.test('whoever instruments the client sees what is sent, and how it ended', async t => {
  const { database, note } = await setup(t)
  const seen: unknown[] = []
  const send = async (...statements: Sql[]) => {
    const client = await database.pool.connect()
    const trip = new Trip()
    const answers = Promise.allSettled(statements.map(one => trip.add(one)))
    // As @opentelemetry/instrumentation-pg does it.
    const { callback, text } = trip
    trip.callback = failure => {
      seen.push([text, failure instanceof Error])
      callback(failure)
    }
    client.query(trip)
    await trip.ended
    client.release()
    await answers
  }

  await send(note('a'), sql`SELECT 1`)
  await send(sql`SELECT nonsense`)

  t.same(seen, [
    ['INSERT INTO notes VALUES ($1); SELECT 1', false],
    ['SELECT nonsense', true],
  ])
})

t.test('where a failure was asked for is told', async t => {
  const { database } = await setup(t)

  const asker = async () => inTransaction(database, tx => tx.query(sql`SELECT nonsense`))
  const error = await asker().catch((failure: unknown) => failure)

  t.match(error, { stack: /at async asker|at async attemptTransaction/ })
})
