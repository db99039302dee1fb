import fc from 'fast-check'
import t, { type Test } from 'tap'
import { startCloudFront } from '@funmagic/simulators/cloudfront'
import type { AssetId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import type { Asset } from '../src/asset.ts'
import { findAsset } from '../src/catalog.ts'
import { openCdnInvalidation } from '../src/cdn-invalidation.ts'
import type { MoveDeps } from '../src/moves.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { createAssetLinks, type Viewer } from '../src/resolve-url.ts'
import { Slots } from '../src/slots.ts'
import { paint } from '../src/testing.ts'
import { completeUpload } from '../src/upload-completion.ts'
import { beginUpload } from '../src/uploads.ts'
import { createUser, patient, sha256 } from './asset-fixture.ts'
import { Crash, type Death, type Mortal, openMortal } from './mortal.ts'
import { passHour, sweep } from './moving-fixture.ts'
import { openTestStore, s3Settings, sendUpload } from './s3.ts'
import { makeEcdsaKey } from './signing-keys.ts'

// Random schedules over real Postgres, real S3 and CloudFront as the simulator speaks it at HTTP,
// with workers that act at the same time and die in the middle (S1, S2, S3, S6–S8). An address
// that was given out serves the recorded bytes for as long as it promises; what is private is
// refused without a live signature; in the end there is one object for each that a row names.
// A failure prints its seed; SCHEDULE_SEED runs it again.

const works = ['publish', 'unpublish', 'delete', 'sweep'] as const
type Work = (typeof works)[number]
interface Act {
  readonly work: Work
  readonly death: Death | undefined
}
type Step = 'an hour passes' | readonly Act[]

const death = fc.option(
  fc.record({
    step: fc.integer({ min: 0, max: 40 }),
    moment: fc.constantFrom('before' as const, 'after' as const),
  }),
  { nil: undefined },
)
const likely = { publish: 5, unpublish: 4, sweep: 3, delete: 1 }
const work = fc.oneof(
  ...works.map(name => ({ weight: likely[name], arbitrary: fc.constant(name) })),
)
const act: fc.Arbitrary<Act> = fc.record({ work, death })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.array(act, { minLength: 1, maxLength: 1 }) },
  { weight: 1, arbitrary: fc.array(act, { minLength: 2, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constant('an hour passes' as const) },
)
const schedules = fc.array(step, { minLength: 2, maxLength: 5 })

async function setup(t: Test) {
  const { database, url } = await createTestDatabase(t)
  const { endpoint = '', buckets, accessKey = '', secretKey = '' } = s3Settings()
  const origin = { endpoint, accessKeyId: accessKey, secretAccessKey: secretKey }
  const key = makeEcdsaKey()
  const publicCdn = await startCloudFront({
    distributionId: 'E1PUBLIC',
    prefix: 'public/',
    origin: { ...origin, bucket: buckets.public },
  })
  const privateCdn = await startCloudFront({
    distributionId: 'E1PRIVATE',
    prefix: 'private/',
    origin: { ...origin, bucket: buckets.private },
    trustedKeys: [{ id: 'K1', publicKeyPem: key.publicKeyPem }],
    // Its clock is two minutes ahead (T-2).
    now: () => Date.now() + 120_000,
  })
  const links = createAssetLinks({
    cdnUrl: publicCdn.url,
    privateCdnUrl: privateCdn.url,
    keyPairId: 'K1',
    privateKey: key.privateKey,
    windowSeconds: 300,
  })
  const cdn = openCdnInvalidation({
    distributionId: 'E1PUBLIC',
    addressOf: name => links.publicUrlOf(name),
    endpoint: publicCdn.url,
    accessKey,
    secretKey,
  })
  const store = openTestStore(t)
  const workers = [1, 2, 3].map(() => openMortal({ url, store, cdn }))
  t.teardown(async () => {
    for (const worker of workers) await worker.close()
    cdn.close()
    await publicCdn[Symbol.asyncDispose]()
    await privateCdn[Symbol.asyncDispose]()
  })
  const userId = await createUser(database)
  const deps = { database, store, cdn }
  const viewer: Viewer = { id: userId, role: 'user' }
  return { database, deps, links, workers, userId, viewer, privateCdnUrl: privateCdn.url }
}
type Context = Awaited<ReturnType<typeof setup>>

async function upload({ deps, userId }: Context): Promise<Asset> {
  const picture = await paint('image/png', { width: 8, height: 8 })
  const uploading = {
    ...deps,
    quota: { bytesPerUser: 1_000_000_000, openTicketsMax: 1_000 },
    checks: new Slots({ runningMax: 1, waitingMax: 1 }),
  }
  const body = {
    filename: 'a.png',
    mimeType: 'image/png',
    sizeBytes: picture.length,
    module: 'gallery',
  }
  const ticket = await beginUpload(uploading, { userId, idempotency: undefined, body })
  const status = await sendUpload(ticket.upload, picture)
  if (status !== 200) throw new Error(`the store answered ${status} to the upload`)
  return (await completeUpload(uploading, { userId, uploadId: ticket.uploadId })).asset
}

/** What was promised to whoever has read the asset, and what nobody may see. */
class Auditor {
  readonly #context: Context
  readonly #asset: Asset
  readonly #signed = new Set<string>()
  readonly #public = new Set<string>()
  readonly #privateKeys = new Set<string>()

  constructor(context: Context, asset: Asset) {
    this.#context = context
    this.#asset = asset
  }

  /** Reads the asset as its owner, and holds every address that was given out to its promise. */
  async check(where: string): Promise<void> {
    const { database, userId, links, viewer } = this.#context
    const row = await findAsset(database, { userId, assetId: this.#asset.id })
    if (row?.bucket !== 'public') this.#public.clear()
    if (row !== undefined) {
      const { url, thumbnailUrl } = await links.toAssetView(row, viewer)
      const { status } = await get(thumbnailUrl ?? url)
      if (status !== 200) throw new Error(`${where}: ${status} ${thumbnailUrl}`)
      if (row.bucket === 'public') this.#public.add(url)
      else {
        this.#signed.add(url)
        this.#privateKeys.add(row.storageKey)
      }
    }
    for (const url of [...this.#signed, ...this.#public]) {
      const { status, digest } = await get(url)
      if (status !== 200 || digest !== this.#asset.sha256)
        throw new Error(`${where}: ${status} ${url}`)
    }
    for (const key of this.#privateKeys) {
      const { status, digest } = await get(`${this.#context.privateCdnUrl}/${key}`)
      if (status !== 403 || digest === this.#asset.sha256)
        throw new Error(`${where}: ${key} is open`)
    }
  }

  /** The public addresses so far; after an answered unpublication they are refused. */
  publicUrls(): string[] {
    return [...this.#public]
  }

  passHour(): void {
    this.#signed.clear()
  }
}

async function get(url: string): Promise<{ status: number; digest: string }> {
  const reply = await fetch(url)
  return { status: reply.status, digest: sha256(new Uint8Array(await reply.arrayBuffer())) }
}

/** True when the caller got an answer: not when the worker died, or was told to come again. */
async function perform(
  worker: Mortal,
  { work: name, death: end }: Act,
  own: Own,
): Promise<boolean> {
  worker.start(end)
  try {
    await actions[name](worker.deps, own)
    return true
  } catch (error) {
    if (error instanceof Crash || error instanceof AppError) return false
    throw error
  }
}

interface Own {
  readonly userId: string
  readonly assetId: AssetId
}
const actions: Record<Work, (deps: MoveDeps, own: Own) => Promise<unknown>> = {
  publish: (deps, own) => publishAsset(deps, own, patient),
  unpublish: (deps, own) => unpublishAsset(deps, own, patient),
  delete: (deps, own) => deleteAsset(deps, own, patient),
  sweep: deps => sweep(deps),
}

/** Every place that the journal knows is empty, but where the asset is. */
async function checkLeftovers({ database, deps }: Context, assetId: AssetId): Promise<void> {
  const { rows } = await database.query<{ bucket: 'private' | 'public'; key: string }>(sql`
    SELECT from_bucket AS bucket, from_key AS key FROM asset_moves WHERE asset_id = ${assetId}
    UNION SELECT to_bucket, to_key FROM asset_moves
      WHERE asset_id = ${assetId} AND to_key IS NOT NULL
    EXCEPT SELECT bucket, storage_key FROM assets WHERE id = ${assetId} AND deleted_at IS NULL
  `)
  for (const place of rows) {
    for (const key of [place.key, place.key.replace(/\.[a-z]+$/, '.thumb.webp')]) {
      if (await deps.store.find({ ...place, key })) throw new Error(`${key} is left over`)
    }
  }
  const { rows: open } = await database.query(sql`
    SELECT 1 FROM asset_moves WHERE asset_id = ${assetId} AND state <> 'done'
    UNION ALL SELECT 1 FROM asset_revocations WHERE asset_id = ${assetId} AND refused_at IS NULL
  `)
  if (open.length > 0) throw new Error('the journal does not come to its end')
}

async function run(context: Context, schedule: readonly Step[]): Promise<void> {
  const asset = await upload(context)
  const own = { userId: context.userId, assetId: asset.id }
  const auditor = new Auditor(context, asset)
  await auditor.check('uploaded')
  for (const [index, current] of schedule.entries()) {
    if (current === 'an hour passes') {
      await passHour(context.database)
      auditor.passHour()
      continue
    }
    const before = auditor.publicUrls()
    const answers = await Promise.all(
      // Bounded by the workers.
      context.workers.flatMap((worker, at) => {
        const task = current[at]
        return task === undefined ? [] : [perform(worker, task, own)]
      }),
    )
    const where = `step ${index}`
    await auditor.check(where)
    const isTaken = current.length === 1 && answers[0] && current[0]?.work === 'unpublish'
    for (const url of isTaken ? before : []) {
      const { status } = await get(url)
      if (status !== 403) throw new Error(`${where}: unpublished, and ${status} ${url}`)
    }
  }
  for (let hours = 0; hours < 3; hours++) {
    await passHour(context.database)
    await sweep(context.deps)
  }
  auditor.passHour()
  await auditor.check('at rest')
  await checkLeftovers(context, asset.id)
}

// Two halves side by side, each with a database and a CDN of its own: both mostly wait.
t.jobs = 2

for (const half of ['first', 'second']) {
  const title = `through any schedule every address keeps its promise (${half} half)`
  t.test(title, { buffered: true }, async t => {
    const context = await setup(t)
    const seed = Number(process.env['SCHEDULE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    t.comment(`SCHEDULE_SEED=${seed}`)

    const property = fc.asyncProperty(schedules, schedule => run(context, schedule))
    const details = await fc.check(property, { seed, numRuns: 55, endOnFailure: true })

    t.notOk(details.failed, fc.defaultReportMessage(details) ?? '')
    t.equal(details.numRuns, 55)
  })
}
