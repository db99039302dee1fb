import t from 'tap'
import { newId, type UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { Trip } from '@funmagic/database/trip'
import { assetColumns } from '../src/asset-rows.ts'
import type { Asset } from '../src/asset.ts'
import { Slots } from '../src/slots.ts'
import { openMemoryObjectStore, paint } from '../src/testing.ts'
import { completeUpload } from '../src/upload-completion.ts'
import { expireUploads } from '../src/upload-expiry.ts'
import { signParts } from '../src/upload-parts.ts'
import { beginUpload } from '../src/uploads.ts'
import { findUsageDrift, readUsage } from '../src/usage.ts'
import { openFixture, patient, sha256 } from './asset-fixture.ts'

// The process dies before or after each step of an upload in turn: every call of the store and
// every trip to the database is a step (reliability L1–L4). From then on nothing works for it
// any more. Then a new process takes over.

class Crash extends Error {}

/** Counts steps, and lets the process die at one. */
class Lifeline {
  #left: number
  readonly #moment: 'before' | 'after'
  isDead = false

  constructor(step: number, moment: 'before' | 'after') {
    this.#left = step
    this.#moment = moment
  }

  async step<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.isDead) throw new Crash('dead')
    const isLast = --this.#left === 0
    if (isLast && this.#moment === 'before') this.#die()
    const result = await work()
    if (isLast) this.#die()
    return result
  }

  #die(): never {
    this.isDead = true
    throw new Crash('dies here')
  }
}

const passive = ['presignUpload', 'presign', 'release', 'close']

/** Each call of a method is a step; what it holds and what it connects to is wrapped as well. */
function tie<Target extends object>(target: Target, lifeline: Lifeline): Target {
  return new Proxy(target, {
    get(_target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name === 'pool' || name === 'parts') return tie(Object(value), lifeline)
      if (typeof value !== 'function') return value
      if (passive.includes(String(name))) return value.bind(target)
      return async (...given: unknown[]) => {
        if (name === 'connect') return tie(Object(await value.apply(target, given)), lifeline)
        const [trip] = given
        if (trip instanceof Trip) {
          const send = async () => {
            value.call(target, trip)
            await trip.ended
          }
          return lifeline.step(send).catch((error: unknown) => trip.refuse(error))
        }
        return lifeline.step(async () => value.apply(target, given))
      }
    },
  })
}

/** Large by what follows the picture. */
async function paintFile(sizeBytes: number): Promise<{ bytes: Uint8Array; digest: string }> {
  const picture = await paint('image/png')
  const tail = Buffer.alloc(Math.max(0, sizeBytes - picture.length))
  const bytes = Buffer.concat([picture, tail])
  return { bytes, digest: sha256(bytes) }
}

async function setup(file: Awaited<ReturnType<typeof paintFile>>) {
  const { database, userId } = await openFixture()
  const store = openMemoryObjectStore()
  const quota = { bytesPerUser: 100_000_000, openTicketsMax: 10 }
  const deps = { database, store, quota, checks: new Slots({ runningMax: 1, waitingMax: 1 }) }
  return { deps, userId, ...file }
}

type World = Awaited<ReturnType<typeof setup>>

/** What a client does, from the beginning: a repeat under the same key goes on where it was. */
async function upload(world: World, key: string, lifeline?: Lifeline): Promise<Asset> {
  const { deps: alive, userId, bytes, digest } = world
  const deps =
    lifeline === undefined
      ? alive
      : {
          ...alive,
          database: tie(alive.database, lifeline),
          store: tie(alive.store, lifeline),
        }
  const body = {
    filename: 'cat.png',
    mimeType: 'image/png',
    sizeBytes: bytes.length,
    module: 'gallery',
    sha256: digest,
  }
  const idempotency = { key, requestHash: '0'.repeat(64) }
  const ticket = await beginUpload(deps, { userId, body, idempotency })
  const own = { userId, uploadId: ticket.uploadId }
  if (ticket.multipart === undefined) await alive.store.send(ticket.upload, bytes)
  else await sendParts(deps, world, { own, ...ticket.multipart })
  return (await completeUpload(deps, own)).asset
}

async function sendParts(
  deps: World['deps'],
  { deps: alive, bytes }: World,
  ticket: {
    own: { userId: UserId; uploadId: string }
    partSizeBytes: number
    partsCount: number
  },
): Promise<void> {
  const { rowCount } = await alive.database.query(sql`
    SELECT 1 FROM uploads WHERE id = ${ticket.own.uploadId} AND state = 'pending'`)
  if (rowCount === 0) return
  const numbers = Array.from({ length: ticket.partsCount }, (_, index) => index + 1)
  const { parts } = await signParts(deps, ticket.own, numbers)
  for (const part of parts) {
    const start = (part.partNumber - 1) * ticket.partSizeBytes
    await alive.store.send(part, bytes.subarray(start, start + part.sizeBytes))
  }
}

/** The assets that there are; each has its bytes, whole and checked. */
async function readReady({ deps, userId }: World): Promise<Asset[]> {
  const { rows: items } = await deps.database.query<Asset>(sql`
    SELECT ${assetColumns} FROM assets WHERE user_id = ${userId} AND deleted_at IS NULL`)
  for (const { bucket, storageKey, sha256: digest, derivatives } of items) {
    const stored = await deps.store.read({ bucket, key: storageKey }, { bytesMax: 10_000_000 })
    if (stored === undefined || sha256(stored) !== digest) throw new Error('a row without bytes')
    if (derivatives.length < 2) throw new Error('a picture without smaller ones')
  }
  return items
}

/** A day later, after the sweeper. */
async function sweepAll({ deps }: World): Promise<void> {
  await deps.database.query(sql`
    UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE cleared_at IS NULL`)
  await expireUploads(deps, { uploadsMax: 10 }, patient)
}

async function crashEverywhere(
  sizeBytes: number,
  moment: 'before' | 'after',
  check: (world: World, key: string) => Promise<boolean>,
): Promise<{ crashes: number; faults: string[] }> {
  const faults: string[] = []
  const stepsMax = 200
  const file = await paintFile(sizeBytes)
  for (let step = 1; step < stepsMax; step++) {
    const world = await setup(file)
    const [key, lifeline] = [newId(), new Lifeline(step, moment)]
    const outcome = await Promise.allSettled([upload(world, key, lifeline)])
    if (!lifeline.isDead) return { crashes: step - 1, faults }
    if (outcome[0].status === 'fulfilled') faults.push(`step ${step} did not crash`)
    if (!(await check(world, key))) faults.push(`${moment} step ${step}`)
  }
  throw new Error('no end of steps')
}

async function isFinishedByRetry(world: World, key: string): Promise<boolean> {
  const early = await readReady(world)
  const asset = await upload(world, key)
  await sweepAll(world)
  const [only, ...more] = await readReady(world)
  const usage = await readUsage(world.deps.database, world.userId)
  return (
    more.length === 0 &&
    only?.id === asset.id &&
    early.every(({ id }) => id === asset.id) &&
    world.deps.store.places.length === 3 &&
    world.deps.store.parts.places.length === 0 &&
    usage.keptBytes === asset.sizeBytes &&
    usage.openTickets + usage.promisedBytes === 0
  )
}

async function isClearedWhenAbandoned(world: World): Promise<boolean> {
  await sweepAll(world)
  const ready = await readReady(world)
  const usage = await readUsage(world.deps.database, world.userId)
  const drift = await findUsageDrift(world.deps.database, { usersMax: 1 })
  return (
    world.deps.store.places.length === ready.length * 3 &&
    world.deps.store.parts.places.length === 0 &&
    usage.promisedBytes + usage.openTickets === 0 &&
    usage.keptBytes === ready.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) &&
    drift.length === 0
  )
}

const sizes = { 'in one piece': 0, 'in parts': 8 * 1024 * 1024 }

for (const [name, sizeBytes] of Object.entries(sizes)) {
  for (const moment of ['before', 'after'] as const) {
    t.test(`${name}: dead ${moment} any step, a retry brings one asset, once`, async t => {
      const { crashes, faults } = await crashEverywhere(sizeBytes, moment, isFinishedByRetry)

      t.same(faults, [])
      t.ok(crashes > 15, `${crashes} steps`)
    })

    t.test(`${name}: dead ${moment} any step, the sweeper leaves no byte and no quota`, async t => {
      const { crashes, faults } = await crashEverywhere(sizeBytes, moment, isClearedWhenAbandoned)

      t.same(faults, [])
      t.ok(crashes > 15, `${crashes} steps`)
    })
  }
}
