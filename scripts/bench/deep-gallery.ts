import { listAssets } from '@funmagic/asset/gallery'
import type { UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { createTestUser } from '@funmagic/session/testing'
import { startAssetService } from './asset-process.ts'
import { median, timed, type Comparison } from './comparison.ts'
import { fillGallery } from './gallery-rows.ts'
import { Caller } from './requests.ts'
import type { Setting } from './setting.ts'

const rows = 1_000_000
const deepPage = 1_000
const limit = 100
const requestsOfRound = 60

/** The far end of the largest gallery against its beginning (L6). */
export async function deepGalleryComparisons(setting: Setting): Promise<readonly Comparison[]> {
  const { database, url } = await setting.openDatabase()
  const { user, cookie } = await createTestUser(database, { secure: false })
  const fillMs = await timed(() => fillGallery(url, { userId: user.id, rows }))
  setting.note(`${rows} rows in ${(fillMs / 1000).toFixed(0)} s`)
  const service = await startAssetService(setting, { DATABASE_URL: url })
  const caller = new Caller(setting, service.address, cookie)
  const page = `/api/assets?limit=${limit}`
  const cursor = await findCursor(database, user.id)

  const timeOf = (path: string) => async () => median(await caller.repeat(path, requestsOfRound))
  for (const filter of filters) {
    const { durationMs } = await caller.call(`${page}&${filter}`)
    setting.note(`a page with ${filter}: ${durationMs.toFixed(0)} ms`)
  }
  return [
    {
      title: `page ${deepPage} of a gallery of ${rows}`,
      unit: 'ms',
      ours: { name: `page ${deepPage}`, run: timeOf(`${page}&cursor=${cursor}`) },
      bare: { name: 'page 1', run: timeOf(page) },
      bound: { atMost: 1.5 },
    },
  ]
}

/** Often found, seldom found, never found. */
const filters = ['tags=tag3', 'tags=rare', 'tags=none', 'q=holiday', 'q=999%20', 'q=rare', 'q=none']

/** The cursor of the page, found as the route finds it, but without signing what is passed by. */
async function findCursor(database: Database, userId: UserId): Promise<string> {
  let cursor: string | undefined
  for (let number = 1; number < deepPage; number++) {
    const page = await listAssets(database, { userId, filter: {} }, { limit, cursor })
    if (page.nextCursor === null) throw new Error(`there are only ${number} pages`)
    cursor = page.nextCursor
  }
  return cursor ?? ''
}
