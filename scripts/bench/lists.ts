import type { AssetId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestUser } from '@funmagic/session/testing'
import { startAssetService } from './asset-process.ts'
import { median, type Comparison } from './comparison.ts'
import { fillGallery } from './gallery-rows.ts'
import { Caller } from './requests.ts'
import type { Setting } from './setting.ts'
import { countStatements } from './statement-counter.ts'

const galleryRows = 1_000
const requestsOfRound = 150
const requestsCounted = 20
const idsOfBulk = 200

const page = (limit: number) => `/api/assets?limit=${limit}`

/** A page of 100 against a page of one, and many assets in one request against one each. */
export async function listComparisons(setting: Setting): Promise<readonly Comparison[]> {
  const { database, url } = await setting.openDatabase()
  const { user, cookie } = await createTestUser(database, { secure: false })
  await fillGallery(url, { userId: user.id, rows: galleryRows })
  const { rows } = await database.query<{ id: AssetId }>(
    sql`SELECT id FROM assets ORDER BY id DESC LIMIT ${idsOfBulk}`,
  )

  const service = await startAssetService(setting, { DATABASE_URL: url })
  const caller = new Caller(setting, service.address, cookie)
  const { durationMs, body } = await caller.call(page(100))
  const kilobytes = (body.length / 1000).toFixed(0)
  setting.note(`the first page of 100, 300 addresses to sign: ${durationMs.toFixed(0)} ms`)
  setting.note(`a page of 100 has ${kilobytes} kB`)

  const timeOf = (limit: number) => async () =>
    median(await caller.repeat(page(limit), requestsOfRound))
  return [
    {
      title: 'time of a page of 100',
      unit: 'ms',
      ours: { name: 'GET /api/assets?limit=100', run: timeOf(100) },
      bare: { name: 'GET /api/assets?limit=1', run: timeOf(1) },
      bound: { atMost: 4 },
    },
    await compareStatements(setting, url, cookie),
    compareBulk(
      caller,
      rows.map(({ id }) => id),
    ),
  ]
}

async function compareStatements(
  setting: Setting,
  url: string,
  cookie: string,
): Promise<Comparison> {
  const counter = await countStatements(setting, url)
  const service = await startAssetService(setting, { DATABASE_URL: counter.url })
  const caller = new Caller(setting, service.address, cookie)
  const statementsOf = (limit: number) => async () => {
    // The session is then in the cache, for the second that this takes.
    await caller.call(page(limit))
    const before = counter.count()
    await caller.repeat(page(limit), requestsCounted)
    return (counter.count() - before) / requestsCounted
  }
  return {
    title: 'statements of a page of 100',
    unit: 'statements',
    ours: { name: 'GET /api/assets?limit=100', run: statementsOf(100) },
    bare: { name: 'GET /api/assets?limit=1', run: statementsOf(1) },
    bound: { atMost: 1 },
  }
}

function compareBulk(caller: Caller, ids: readonly AssetId[]): Comparison {
  const resolve = async () => {
    const reply = await caller.call('/api/assets/resolve', { method: 'POST', body: { ids } })
    return reply.durationMs
  }
  const getEach = async () => {
    let sumMs = 0
    for (const id of ids) sumMs += (await caller.call(`/api/assets/${id}`)).durationMs
    return sumMs
  }
  return {
    title: `addresses of ${ids.length} assets at once`,
    unit: 'ms',
    ours: { name: 'POST /api/assets/resolve', run: resolve },
    bare: { name: `${ids.length} × GET /api/assets/:assetId`, run: getEach },
    bound: { atMost: 0.1 },
  }
}
