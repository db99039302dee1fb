import fc from 'fast-check'
import { features, isFeature, type Feature } from '@funmagic/contract/features'
import type { UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import t from 'tap'
import {
  bucketOf,
  changeFeature,
  createFeatures,
  featureMemoMs,
  listFeatures,
} from '../src/features.ts'

const { database } = await createTestDatabase(t)
const all = Object.keys(features).filter(isFeature)
const somebody = numbered(1)

function numbered(n: number): UserId {
  return `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`
}

function open(feature: Feature, percent: number): Promise<number> {
  return inTransaction(database, tx => changeFeature(tx, { feature, percent }))
}

/** A process of its own, with a clock and a look at each of its queries before it is sent. */
function openProcess(before: () => Promise<void> = async () => undefined) {
  const clock = { nowMs: 1 }
  const seen = { queries: 0, errors: [] as unknown[] }
  const query: Database['query'] = async statement => {
    seen.queries++
    await before()
    return database.query(statement)
  }
  const onError = (error: unknown) => void seen.errors.push(error)
  const process = createFeatures({ database: { query }, onError, now: () => clock.nowMs })
  return { ...process, clock, seen }
}

t.test('whom a feature is open to it stays open to, however far it is opened', async t => {
  const seed = Date.now()
  t.comment(`fast-check seed ${seed}`)
  const percent = fc.integer({ min: 0, max: 100 })
  const property = fc.property(
    fc.constantFrom(...all),
    fc.uuid(),
    percent,
    percent,
    (feature, uuid, one, other) => {
      const bucket = bucketOf(feature, uuid)
      const [less, more] = [Math.min(one, other), Math.max(one, other)]
      const isStill = !(bucket < less) || bucket < more
      return isStill && Number.isInteger(bucket) && bucket >= 0 && bucket < 100
    },
  )

  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000, seed }))
})

t.test(
  'of ten thousand users the share has it that was said, another for each feature',
  async t => {
    const users = Array.from({ length: 10_000 }, (_, n) => numbered(n))
    const first = all.map(feature => new Set(users.filter(user => bucketOf(feature, user) < 10)))

    for (const feature of all) {
      for (const percent of [1, 10, 25, 50, 90, 99]) {
        const count = users.filter(user => bucketOf(feature, user) < percent).length
        // Four times what chance would differ by; the users are the same at each run.
        const margin = 4 * Math.sqrt((10_000 * percent * (100 - percent)) / 10_000)
        t.ok(Math.abs(count - percent * 100) <= margin, `${feature} ${percent} %: ${count}`)
      }
    }
    const [one = new Set(), other = new Set()] = first
    t.ok(one.intersection(other).size < 300, 'the first tenth is not the first tenth of another')
  },
)

t.test('every process and release divides the users the same way', async t => {
  const buckets = all.map(feature => [1, 2, 3].map(n => bucketOf(feature, numbered(n))))

  t.same(
    buckets,
    [
      [93, 5, 3],
      [25, 1, 74],
      [44, 0, 88],
      [58, 64, 2],
    ],
    'never change these: users would lose what they have',
  )
  t.equal(bucketOf('sign-up', null), 99, 'who is nobody yet comes last')
})

t.test('without a row everything is open, and to nobody-yet only at a hundred', async t => {
  t.ok(await openProcess().isOpenFor('sign-up', null))
  t.ok(await openProcess().isOpenFor('purchases', somebody))

  t.equal(await open('sign-up', 99), 100, 'the share before')
  await t.rejects(openProcess().requireOpen('sign-up', null), { code: 'FEATURE_OFF' })
  t.equal(await open('sign-up', 100), 99)
  await t.resolves(openProcess().requireOpen('sign-up', null))
})

t.test('a change is seen once the memory is as old as it may be, at one query each', async t => {
  const { isOpenFor, clock, seen } = openProcess()
  await open('publishing', 0)
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => isOpenFor('publishing', somebody)),
  )
  await open('publishing', 100)
  clock.nowMs += featureMemoMs - 1
  const before = await isOpenFor('publishing', somebody)
  clock.nowMs += 1
  const after = await isOpenFor('publishing', somebody)

  t.ok(answers.every(isOpen => !isOpen))
  t.same({ before, after, queries: seen.queries }, { before: false, after: true, queries: 2 })
})

t.test('the process that was changed in forgets at once, also what it is reading', async t => {
  const held = Promise.withResolvers<void>()
  const { isOpenFor, forget } = openProcess(() => held.promise)
  await open('publishing', 100)
  const early = isOpenFor('publishing', somebody)
  await open('publishing', 0)
  forget()
  held.resolve()
  await early

  t.notOk(await isOpenFor('publishing', somebody))
  await open('publishing', 100)
  t.notOk(await isOpenFor('publishing', somebody), 'remembered')
  forget()
  t.ok(await isOpenFor('publishing', somebody))
})

t.test(
  'while Postgres is away what was last read holds; what was never read is refused',
  async t => {
    let isAway = false
    const away = async () => {
      if (isAway) throw new Error('away')
    }
    const told = openProcess(away)
    const fresh = openProcess(away)
    await open('share-links', 0)
    const known = await told.isOpenFor('share-links', somebody)
    await open('share-links', 100)
    isAway = true
    told.clock.nowMs += 10 * featureMemoMs

    t.notOk(known)
    t.notOk(await told.isOpenFor('share-links', somebody))
    t.match(told.seen.errors, [{ message: 'away' }])
    t.notOk(await told.isOpenFor('share-links', somebody))
    t.equal(told.seen.queries, 2, 'it is not asked at each question')
    await t.rejects(fresh.isOpenFor('share-links', somebody), { message: 'away' })
    isAway = false
    t.ok(await fresh.isOpenFor('share-links', somebody))
    told.clock.nowMs += featureMemoMs
    t.ok(await told.isOpenFor('share-links', somebody))
  },
)

t.test('of changes at once each knows the one before, and the last one holds', async t => {
  const percents = Array.from({ length: 5 }, (_, n) => n + 1)
  const before = await Promise.all(percents.map(percent => open('purchases', percent)))

  const listed = await listFeatures(database)
  const last = listed.find(({ key }) => key === 'purchases')?.percent
  const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)
  t.same(sorted([...before, last ?? 0]), sorted([100, ...percents]))
  t.same(
    listed.map(({ key }) => key),
    all,
  )
})

t.test(
  'a share that is none cannot be stored, and a row of another release is passed over',
  async t => {
    await t.rejects(open('purchases', 101), { code: '23514' })
    await t.rejects(open('purchases', -1), { code: '23514' })
    await database.query(sql`INSERT INTO feature_flags (key, percent) VALUES ('later', 0)`)

    t.same(
      (await listFeatures(database)).map(({ key }) => key),
      all,
    )
  },
)
