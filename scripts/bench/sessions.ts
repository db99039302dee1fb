import { openRedis } from '@funmagic/runtime/redis'
import { createSessions } from '@funmagic/session/session'
import { createTestUser } from '@funmagic/session/testing'
import { findFreePort } from '@funmagic/database/testing'
import { host } from '../local/ports.ts'
import { startAssetService } from './asset-process.ts'
import { median, timed, type Comparison } from './comparison.ts'
import { fillGallery } from './gallery-rows.ts'
import { Caller } from './requests.ts'
import type { Setting } from './setting.ts'

const checksOfRound = 400
const requestsOfRound = 150
const lanes = 16

/** Who is calling, from the cache against from Postgres: the check alone, and with a list (L22). */
export async function sessionComparisons(setting: Setting): Promise<readonly Comparison[]> {
  const { database, url } = await setting.openDatabase()
  const { user, cookie, token } = await createTestUser(database, { secure: false })
  await fillGallery(url, { userId: user.id, rows: 100 })
  // Nothing listens there: sessions are then read from Postgres.
  const absent = `redis://${host}:${await findFreePort()}/0`

  const check = (redisUrl: string) => {
    const redis = openRedis({ url: redisUrl, role: 'cache', name: 'bench', onError: ignore })
    setting.onClose(() => redis.disconnect())
    const sessions = createSessions({ database, redis })
    return async () => {
      await sessions.findSession(token)
      const durationMs = await timed(() => checkMany(() => sessions.findSession(token)))
      return (checksOfRound * 1000) / durationMs
    }
  }
  const list = async (variables: Record<string, string>) => {
    const service = await startAssetService(setting, { DATABASE_URL: url, ...variables })
    const caller = new Caller(setting, service.address, cookie)
    return async () => median(await caller.repeat('/api/assets?limit=20', requestsOfRound))
  }
  return [
    {
      title: `session checks, ${lanes} at once`,
      unit: 'checks/s',
      ours: { name: 'found in the cache', run: check(process.env['REDIS_CACHE_URL'] ?? '') },
      bare: { name: 'read from Postgres, Redis being away', run: check(absent) },
      bound: { atLeast: 3 },
    },
    {
      title: 'session check and a page of 20',
      unit: 'ms',
      ours: { name: 'session in the cache', run: await list({}) },
      bare: { name: 'Redis being away', run: await list({ REDIS_CACHE_URL: absent }) },
      bound: 'none',
    },
  ]
}

async function checkMany(check: () => Promise<unknown>): Promise<void> {
  const lane = async () => {
    for (let number = 0; number < checksOfRound / lanes; number++) await check()
  }
  // As many as there are lanes.
  await Promise.all(Array.from({ length: lanes }, lane))
}

function ignore(): void {
  // Redis is meant to be away in one of the two ways.
}
