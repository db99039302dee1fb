import fc from 'fast-check'
import t from 'tap'
import { sql } from '@funmagic/database/sql'
import { AppError } from '@funmagic/contract/problem'
import { continueMoves } from '../src/moves.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { createAsset, patient } from './asset-fixture.ts'
import { findBreach, openMovingFixture, passHour, readRow, sweep } from './moving-fixture.ts'

type Step = (typeof steps)[number]
const steps = [
  'publish',
  'unpublish',
  'sweep',
  'an hour passes',
  'copy fails',
  'copy is not answered',
  'remove fails',
  'remove is not answered',
] as const

t.test('through any schedule of changes, failures and sweeps the row has its bytes', async t => {
  const fixture = await openMovingFixture()
  const schedule = fc.array(fc.constantFrom(...steps), { minLength: 1, maxLength: 12 })

  await fc.assert(
    fc.asyncProperty(schedule, async schedule => {
      const { database, store, userId, memory } = fixture
      const { id: assetId } = await createAsset(database, store, { userId })
      const promised = new Set<string>()
      for (const step of schedule) {
        await take(fixture, assetId, step)
        const breach = await findBreach(fixture, assetId)
        if (breach !== undefined) throw new Error(`after ${step}: ${breach}`)
        const row = await readRow(database, assetId)
        // A signed address that was given out works until it ends; a public one may be recalled.
        if (step === 'an hour passes') promised.clear()
        if (row.bucket === 'private') promised.add(`private:${row.storageKey}`)
        const places = memory.places
        const broken = [...promised].filter(place => !places.includes(place))
        if (broken.length > 0) throw new Error(`after ${step}: an address is broken`)
      }
      await settle(fixture)
      const row = await readRow(database, assetId)
      const kept = memory.places.filter(place => place.includes(row.storageKey))
      if (row.openMoves !== 0 || kept.length !== 1) throw new Error('it does not come to rest')
    }),
    { numRuns: 40 },
  )

  const { rows } = await fixture.database.query<{ place: string }>(
    sql`SELECT bucket || ':' || storage_key AS place FROM assets WHERE user_id = ${fixture.userId}`,
  )
  const expected = rows.map(({ place }) => place).toSorted()
  t.same(fixture.memory.places, expected, 'in the end every object has a row and every row one')
})

type MovingFixture = Awaited<ReturnType<typeof openMovingFixture>>

async function take(fixture: MovingFixture, assetId: string, step: Step): Promise<void> {
  const { deps, store, database, userId } = fixture
  const own = { userId, assetId }
  switch (step) {
    case 'publish':
      await publishAsset(deps, own, patient)
      return
    case 'unpublish':
      await refusedAtMost(unpublishAsset(deps, own, patient))
      return
    case 'sweep':
      await sweep(deps)
      return
    case 'an hour passes':
      return passHour(database)
    case 'copy fails':
      return store.failNext('copy', 'before')
    case 'copy is not answered':
      return store.failNext('copy', 'after')
    case 'remove fails':
      return store.failNext('remove', 'before')
    case 'remove is not answered':
      return store.failNext('remove', 'after')
  }
}

/** A problem that a client is told about is part of the schedule; anything else is a bug. */
async function refusedAtMost(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof AppError)) throw error
  }
}

async function settle({ deps, database }: MovingFixture): Promise<void> {
  for (let hours = 0; hours < 4; hours++) {
    await passHour(database)
    await sweep(deps)
  }
}

t.test('changes at the same moment leave one object or none, and the row points at it', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, memory } = fixture
  const changes = [publishAsset, unpublishAsset, publishAsset, unpublishAsset, publishAsset]

  await Promise.all(changes.map(change => refusedAtMost(change(deps, own, patient))))
  t.equal(await findBreach(fixture, own.assetId), undefined)
  await settle(fixture)
  t.equal(await findBreach(fixture, own.assetId), undefined)
  t.equal(memory.places.length, 1)

  const ends = [publishAsset, deleteAsset, unpublishAsset, deleteAsset]
  await Promise.all(ends.map(change => refusedAtMost(change(deps, own, patient))))
  await settle(fixture)
  t.same(memory.places, [])
})

t.test('sweepers side by side take each move once', async t => {
  const { deps, own, store, database, memory, userId } = await openMovingFixture()
  const others = await Promise.all([1, 2, 3, 4].map(() => createAsset(database, store, { userId })))
  const assets = [own, ...others.map(({ id }) => ({ userId, assetId: id }))]
  for (const asset of assets) await publishAsset(deps, asset, AbortSignal.abort())
  await passHour(database)

  const sweeps = await Promise.all([1, 2, 3].map(() => sweep(deps)))

  t.equal(
    sweeps.reduce((sum, { finished }) => sum + finished, 0),
    5,
  )
  t.equal(memory.places.filter(place => place.startsWith('public:')).length, 5)
})

t.test('a store that is away is asked less and less often', async t => {
  const { deps, own, store, database } = await openMovingFixture()
  const delays: number[] = []
  store.failNext('copy', 'before')
  await publishAsset(deps, own, patient)

  for (let attempt = 0; attempt < 11; attempt++) {
    const { rows } = await database.query<{ seconds: number; error: string }>(sql`
      SELECT extract(epoch FROM next_attempt_at - updated_at)::int AS seconds, last_error AS error
      FROM asset_moves WHERE asset_id = ${own.assetId}
    `)
    delays.push(rows[0]?.seconds ?? 0)
    t.equal(rows[0]?.error, 'no copy')
    await passHour(database)
    store.failNext('copy', 'before')
    t.match(await sweep(deps), { finished: 0, failures: [{ code: 'UNAVAILABLE' }] })
  }

  t.same(delays, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600])
})

t.test('a sweep does a bounded amount and stops when it is told to', async t => {
  const { deps, own, store, database, userId } = await openMovingFixture()
  const other = await createAsset(database, store, { userId })
  for (const assetId of [own.assetId, other.id]) {
    await publishAsset(deps, { userId, assetId }, AbortSignal.abort())
  }
  await passHour(database)

  t.match(await continueMoves(deps, { movesMax: 5 }, AbortSignal.abort()), { finished: 0 })
  t.match(await continueMoves(deps, { movesMax: 1 }, patient), { finished: 1 })
  t.match(await continueMoves(deps, { movesMax: 5 }, patient), { finished: 1 })
})
