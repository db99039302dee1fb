import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { startCloudFront } from '@funmagic/simulators/cloudfront'
import { createTestDatabase } from '@funmagic/database/testing'
import { findAsset } from '../src/catalog.ts'
import { openCdnInvalidation } from '../src/cdn-invalidation.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { createAssetLinks } from '../src/resolve-url.ts'
import { addDerivatives, createAsset, createUser, patient, sha256 } from './asset-fixture.ts'
import { openMortal } from './mortal.ts'
import { passHour, sweep } from './moving-fixture.ts'
import { openTestStore, s3Settings } from './s3.ts'
import { makeEcdsaKey } from './signing-keys.ts'

// The same as crash-points.test.ts, with a process that is really killed, over the real stores, at
// the steps that something outside sees: the copies, the commits, the removal, the invalidation.

const file = join(import.meta.dirname, 'mover-process.ts')

async function setup() {
  const { database, url } = await createTestDatabase(t)
  const { endpoint = '', buckets, accessKey = '', secretKey = '' } = s3Settings()
  const origin = { endpoint, accessKeyId: accessKey, secretAccessKey: secretKey }
  const key = makeEcdsaKey()
  const [publicCdn, privateCdn] = await Promise.all([
    startCloudFront({
      distributionId: 'E1PUBLIC',
      prefix: 'public/',
      origin: { ...origin, bucket: buckets.public },
    }),
    startCloudFront({
      distributionId: 'E1PRIVATE',
      prefix: 'private/',
      origin: { ...origin, bucket: buckets.private },
      trustedKeys: [{ id: 'K1', publicKeyPem: key.publicKeyPem }],
    }),
  ])
  const links = createAssetLinks({
    cdnUrl: publicCdn.url,
    privateCdnUrl: privateCdn.url,
    keyPairId: 'K1',
    privateKey: key.privateKey,
    windowSeconds: 300,
  })
  const addressOf = (name: string) => links.publicUrlOf(name)
  const access = { endpoint: publicCdn.url, accessKey, secretKey }
  const cdn = openCdnInvalidation({ distributionId: 'E1PUBLIC', addressOf, ...access })
  const store = openTestStore(t)
  const mortal = openMortal({ url, store, cdn })
  t.teardown(async () => {
    await mortal.close()
    cdn.close()
    await publicCdn[Symbol.asyncDispose]()
    await privateCdn[Symbol.asyncDispose]()
  })
  const userId = await createUser(database)
  return { database, url, links, store, cdn, mortal, userId, cdnUrl: publicCdn.url }
}

const context = await setup()
const { database, links, store, mortal, userId } = context
const deps = { database, store, cdn: context.cdn }
const viewer = { id: userId, role: 'user' } as const

async function create(isPublished: boolean): Promise<{ userId: string; assetId: string }> {
  const { id: assetId } = await addDerivatives(
    { database, store },
    await createAsset(database, store, { userId }),
  )
  if (isPublished) await publishAsset(deps, { userId, assetId }, patient)
  return { userId, assetId }
}

async function runUntilKilled(operation: string, assetId: string, step: number, moment: string) {
  const { url, cdnUrl } = context
  const parameters = [file, operation, url, cdnUrl, userId, assetId, String(step), moment]
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [, signal] = await once(child, 'exit')
  return signal as NodeJS.Signals | null
}

async function digestOf(url: string): Promise<string> {
  const reply = await fetch(url)
  return `${reply.status} ${sha256(new Uint8Array(await reply.arrayBuffer()))}`
}

const operations = {
  publish: { work: publishAsset, isPublished: false },
  unpublish: { work: unpublishAsset, isPublished: true },
  delete: { work: deleteAsset, isPublished: true },
} as const

for (const [operation, { work, isPublished }] of Object.entries(operations)) {
  t.test(`${operation}: a process that is killed leaves an address that works`, async t => {
    const rehearsal = await create(isPublished)
    mortal.start()
    await work(mortal.deps, rehearsal, patient)
    const seen = /^(COMMIT|copy|remove|invalidate)$/
    const points = [...mortal.steps.entries()].filter(([, name]) => seen.test(name))

    for (const [step, name] of points) {
      const own = await create(isPublished)
      const before = await findAsset(database, own)
      const publicUrl = before && (await links.resolveUrl(before, viewer)).url

      const signal = await runUntilKilled(operation, own.assetId, step, 'after')

      t.equal(signal, 'SIGKILL', `killed after ${step} ${name}`)
      const row = await findAsset(database, own)
      const expected = row && `200 ${row.sha256}`
      t.equal(row && (await digestOf((await links.resolveUrl(row, viewer)).url)), expected)
      for (let hours = 0; hours < 3; hours++) {
        await passHour(database)
        await sweep(deps)
      }
      const rested = await findAsset(database, own)
      t.equal(rested && (await digestOf((await links.resolveUrl(rested, viewer)).url)), expected)
      if (isPublished) t.match(await digestOf(publicUrl ?? ''), /^403 /, 'the public address')
    }
  })
}
