import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChildPlan } from './child.ts'
import { buckets, checkObjectStore, objectStorePlan, s3Region } from './object-store-plan.ts'
import { endStoreOrphans } from './orphans.ts'
import { claimOutside, dropForeignOutside } from './outside-folder.ts'
import { host, type PortName } from './ports.ts'
import { findPostgresHome } from './postgres-home.ts'
import {
  checkPostgres,
  ensureDatabase,
  postgresPlan,
  postgresUrl,
  preparePostgres,
} from './postgres.ts'
import { findRedisProgram } from './redis-program.ts'
import { checkRedis, prepareRedis, redisPlan, redisUrls } from './redis.ts'
import { step, type Report } from './report.ts'
import type { Secrets } from './secrets.ts'
import type { Stores } from './service-plans.ts'
import type { LocalSettings, OutsideServers } from './settings.ts'
import type { Supervisor } from './supervisor.ts'

export interface StoresContext {
  readonly settings: LocalSettings
  readonly secrets: Secrets
  readonly supervisor: Supervisor
  readonly report: Report
}

const connectionsMax = 120
const readyDeadlineMs = 60_000
export const storeNames = ['s3', 'redis', 'postgres']

/** The ports of those servers that are started here. */
export function storePorts({ databaseUrl, redis, s3 }: OutsideServers): PortName[] {
  const wanted: [PortName, unknown][] = [
    ['postgres', databaseUrl],
    ['redis', redis],
    ['s3', s3],
  ]
  return wanted.flatMap(([name, outside]) => (outside === undefined ? [name] : []))
}

/** Starts Postgres, Redis and the object store, each unless the environment names a server. */
export async function startStores(context: StoresContext): Promise<Stores> {
  const [databaseUrl, redis, s3] = await Promise.all([
    // Three kinds of servers.
    startPostgres(context),
    startRedis(context),
    startObjectStore(context),
  ])
  return { databaseUrl, redis, s3 }
}

async function startPostgres(context: StoresContext): Promise<string> {
  const { settings, secrets, report } = context
  const { folders, ports, outside } = settings
  if (outside.databaseUrl !== undefined) {
    report.tell('Postgres: the server named in DATABASE_URL')
    return outside.databaseUrl
  }
  await dropForeignOutside(folders)
  const inside = join(folders.local, 'postgres')
  const home = await findPostgresHome({
    folders: [inside, join(folders.outside, 'postgres')],
    programCopy: join(folders.outside, 'programs'),
  })
  await claimOutside(folders)
  tellOrphans(report, await endStoreOrphans({ postgres: home.data, redis: undefined }))
  const port = ports.postgres
  const password = secrets.postgresPassword
  const options = { home, port, password, connectionsMax, isDurable: true }
  await step(report, `Postgres is ready on ${host}:${port}`, async () => {
    await preparePostgres(options)
    await startPart(context, postgresPlan(options), () => checkPostgres(port, password))
    await ensureDatabase(port, password)
  })
  if (home.folder !== inside) {
    report.tell(`Its data are in ${home.data}: its user cannot enter this folder`)
  }
  return postgresUrl(port, password)
}

async function startRedis(context: StoresContext): Promise<Stores['redis']> {
  const { settings, secrets, report } = context
  const { folders, ports, outside } = settings
  if (outside.redis !== undefined) {
    report.tell('Redis: the servers named in REDIS_QUEUE_URL and REDIS_CACHE_URL')
    return outside.redis
  }
  const program = await findRedisProgram({
    searchPath: settings.searchPath,
    caches: [folders.cache, folders.local],
    onDownload: text => report.tell(text),
  })
  const folder = folders.redisData
  tellOrphans(report, await endStoreOrphans({ postgres: undefined, redis: folder }))
  const options = { program, folder, port: ports.redis, password: secrets.redisPassword }
  const urls = redisUrls(options.port, options.password)
  await step(report, `Redis ${program.version} is ready on ${host}:${options.port}`, async () => {
    await prepareRedis(options)
    await startPart(context, redisPlan(options), () => checkRedis(urls.queue))
  })
  return urls
}

async function startObjectStore(context: StoresContext): Promise<Stores['s3']> {
  const { settings, secrets, report } = context
  const { folders, ports, outside } = settings
  if (outside.s3 !== undefined) {
    report.tell('Object store: the server named in S3_ENDPOINT')
    return outside.s3
  }
  const { s3AccessKeyId: accessKeyId, s3SecretAccessKey: secretAccessKey } = secrets
  const port = ports.s3
  const folder = folders.objects
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const plan = objectStorePlan({ folder, port, accessKeyId, secretAccessKey })
  await step(report, `The object store is ready on ${host}:${port}`, () =>
    startPart(context, plan, () => checkObjectStore(port)),
  )
  const endpoint = `http://${host}:${port}`
  return { endpoint, accessKeyId, secretAccessKey, region: s3Region, buckets }
}

/** Their warnings stay in their logs: a refused statement is one there, and none for a person. */
function startPart(
  { supervisor }: StoresContext,
  plan: ChildPlan,
  check: () => Promise<unknown>,
): Promise<void> {
  return supervisor.start({ plan, check, readyDeadlineMs, isHeard: false })
}

function tellOrphans(report: Report, names: readonly string[]): void {
  if (names.length > 0) report.tell(`Ended what an earlier start had left: ${names.join(', ')}`)
}
