import t, { type Test } from 'tap'
import type { AssetId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { createTestDatabase } from '@funmagic/database/testing'
import { sql } from '@funmagic/database/sql'
import type { MoveDeps } from '../src/moves.ts'
import { derivativeKey } from '../src/object-keys.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { makeFragile, openMemoryObjectStore } from '../src/testing.ts'
import { addDerivatives, createAsset, createUser, patient, sha256 } from './asset-fixture.ts'
import { Crash, type Death, openMortal } from './mortal.ts'
import { passHour, readRow, recordInvalidations, sweep } from './moving-fixture.ts'

// Every operation dies at every one of its steps, before and after the step has its effect
// (reliability U1–U3, N1–N4). Then the row has its bytes, a sweep ends what was begun, nothing is
// left over, and the operation can be repeated.

interface Own {
  readonly userId: string
  readonly assetId: AssetId
}
type Work = (deps: MoveDeps, own: Own) => Promise<unknown>

const given = AbortSignal.abort()
const publish: Work = (deps, own) => publishAsset(deps, own, patient)
const publishLater: Work = (deps, own) => publishAsset(deps, own, given)
const unpublish: Work = (deps, own) => unpublishAsset(deps, own, patient)
const unpublishLater: Work = (deps, own) => unpublishAsset(deps, own, given).catch(expectProblem)
const remove: Work = (deps, own) => deleteAsset(deps, own, patient)
const sweepAll: Work = deps => sweep(deps)

const scenarios: Record<string, { first: Work[]; work: Work; end: 'public' | 'private' | 'gone' }> =
  {
    publish: { first: [], work: publish, end: 'public' },
    unpublish: { first: [publish], work: unpublish, end: 'private' },
    republish: { first: [publish, unpublish], work: publish, end: 'public' },
    'delete a private asset': { first: [], work: remove, end: 'gone' },
    'delete a public asset': { first: [publish], work: remove, end: 'gone' },
    'turn back while it is being published': {
      first: [publishLater],
      work: unpublish,
      end: 'private',
    },
    'delete while it is being published': { first: [publishLater], work: remove, end: 'gone' },
    'sweep a publication': { first: [publishLater], work: sweepAll, end: 'public' },
    'sweep an unpublication': { first: [publish, unpublishLater], work: sweepAll, end: 'private' },
  }

async function setup(t: Test) {
  const { database, url } = await createTestDatabase(t)
  const memory = openMemoryObjectStore()
  const store = makeFragile(memory)
  const cdn = recordInvalidations()
  const mortal = openMortal({ url, store, cdn })
  t.teardown(() => mortal.close())
  const userId = await createUser(database)
  return { database, memory, store, cdn, mortal, userId, deps: { database, store, cdn } }
}
type Context = Awaited<ReturnType<typeof setup>>

// Each has a database of its own and mostly waits for it.
t.jobs = 3

for (const [name, { first, work, end }] of Object.entries(scenarios)) {
  t.test(`${name}: it may die at any step`, { buffered: true }, async t => {
    const context = await setup(t)
    const { mortal, deps, database } = context
    let points = 0
    const prepare = async (): Promise<Own> => {
      const own = await create(context)
      for (const earlier of first) await earlier(deps, own)
      // A sweep finds what the earlier work has left; an operation finds its own lease.
      if (work === sweepAll) await passHour(database)
      return own
    }

    const isDone = async (death: Death): Promise<boolean> => {
      const own = await prepare()
      mortal.start(death)
      const isAlive = await survives(work(mortal.deps, own))
      const where = `${name}, ${death.moment} ${death.step} ${mortal.steps.at(-1)}`
      await check(context, own, where)
      await recover(context, own, { where, work, end })
      return isAlive
    }
    for (const moment of ['before', 'after'] as const) {
      for (let step = 0; !(await isDone({ step, moment })); step++) points++
    }

    t.ok(points >= 8, `${points} points`)
  })
}

async function survives(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (error instanceof Crash) return false
    throw error
  }
}

async function create({ database, memory, userId }: Context): Promise<Own> {
  const { id: assetId } = await addDerivatives(
    { database, store: memory },
    await createAsset(database, memory, { userId }),
  )
  return { userId, assetId }
}

/** The row has its bytes and those of its derivatives; one that is gone has no copy under way. */
async function check({ database, memory }: Context, own: Own, where: string): Promise<void> {
  const row = await readRow(database, own.assetId)
  if (row.deletedAt !== null) {
    if (row.openMoves !== 0) throw new Error(`${where}: a deleted asset moves`)
    return
  }
  const bytes = await memory.read({ bucket: row.bucket, key: row.storageKey }, { bytesMax: 1_000 })
  if (bytes === undefined || sha256(bytes) !== row.sha256) throw new Error(`${where}: other bytes`)
  const card = derivativeKey(row.storageKey, 'card')
  if ((await memory.find({ bucket: row.bucket, key: card })) === undefined) {
    throw new Error(`${where}: the card is not beside it`)
  }
  const wanted = row.bucket === row.visibility ? 0 : 1
  if (row.openMoves !== wanted) throw new Error(`${where}: ${row.openMoves} moves`)
}

/** A sweeper ends what was begun; repeating the work brings it to its end; nothing is left over. */
async function recover(
  context: Context,
  own: Own,
  { where, work, end }: { where: string; work: Work; end: string },
): Promise<void> {
  const { database, deps, memory } = context
  await passHour(database)
  await sweep(deps)
  await check(context, own, `${where}, swept`)
  const { version } = await readRow(database, own.assetId)
  await work(deps, own).catch(expectProblem)
  for (let hours = 0; hours < 3; hours++) {
    await passHour(database)
    await sweep(deps)
  }
  await check(context, own, `${where}, repeated`)

  const row = await readRow(database, own.assetId)
  const is = row.deletedAt === null ? row.visibility : 'gone'
  if (is !== end) throw new Error(`${where}: it is ${is} in the end`)
  if (row.version < version) throw new Error(`${where}: the version went back`)
  const left = memory.places.filter(place => place.includes(own.userId))
  const count = is === 'gone' ? 0 : 3
  const isHere = left.every(place => place.startsWith(`${row.bucket}:`))
  if (left.length !== count || (count > 0 && !isHere)) {
    throw new Error(`${where}: ${left.length} objects are left`)
  }
  for (const place of left)
    await memory.remove({ bucket: row.bucket, key: place.split(':')[1] ?? '' })
  const { rows } = await database.query(sql`
    SELECT 1 FROM asset_moves WHERE state <> 'done'
    UNION ALL SELECT 1 FROM asset_revocations WHERE refused_at IS NULL
  `)
  if (rows.length > 0) throw new Error(`${where}: the journal is not at its end`)
}

/** What a client is told is part of the plan; anything else is a bug. */
function expectProblem(error: unknown): void {
  if (!(error instanceof AppError)) throw error
}
