import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { localFolders } from '../local/folders.ts'
import { buckets, checkObjectStore, objectStorePlan, s3Region } from '../local/object-store-plan.ts'
import { findFreePort } from '@funmagic/database/testing'
import { host } from '../local/ports.ts'
import { findPostgresHome } from '../local/postgres-home.ts'
import {
  checkPostgres,
  ensureDatabase,
  postgresPlan,
  postgresUrl,
  preparePostgres,
} from '../local/postgres.ts'
import { findRedisProgram, type RedisProgram } from '../local/redis-program.ts'
import { checkRedis, prepareRedis, redisPlan } from '../local/redis.ts'
import { newSecrets } from '../local/secrets.ts'
import type { OutsideStore } from '../local/settings.ts'
import { FaultProxy } from './fault-proxy.ts'
import { StoreServer } from './store-server.ts'

export const storeLinks = ['postgres', 'redisQueue', 'redisCache', 's3'] as const
export type StoreLink = (typeof storeLinks)[number]

/** A store's process, the way to it that nothing disturbs, and the one that the services take. */
export interface LabStore {
  readonly server: StoreServer
  readonly link: FaultProxy
}

export interface LabStores {
  readonly stores: Readonly<Record<StoreLink, LabStore>>
  /** Past the proxies, for the checker. */
  readonly direct: Addresses
  /** Through the proxies, for the services. */
  readonly proxied: Addresses
}

interface Addresses {
  readonly databaseUrl: string
  readonly redisQueueUrl: string
  readonly redisCacheUrl: string
  readonly s3: OutsideStore
}

interface Context {
  readonly folder: string
  readonly seed: number
  readonly stack: AsyncDisposableStack
}

interface Started extends LabStore {
  addressAt(port: number): string
  readonly port: number
}

const connectionsMax = 100

/** Postgres, a Redis for the queue and one for the cache, and an S3 server, each behind a proxy. */
export async function startLabStores(context: Context): Promise<LabStores> {
  const secrets = newSecrets()
  const { folders, path } = { folders: localFolders(process.env), path: process.env['PATH'] ?? '' }
  const program = await findRedisProgram({
    searchPath: path,
    caches: [folders.cache, folders.local],
    onDownload: text => console.log(text),
  })
  const redis = { program, password: secrets.redisPassword }
  const key = { accessKeyId: secrets.s3AccessKeyId, secretAccessKey: secrets.s3SecretAccessKey }
  const [postgres, redisQueue, redisCache, s3] = await Promise.all([
    // Four servers.
    startPostgres(context, secrets.postgresPassword),
    startRedis(context, redis, 'redis-queue'),
    startRedis(context, redis, 'redis-cache'),
    startObjectStore(context, key),
  ])
  const started = { postgres, redisQueue, redisCache, s3 }
  const addresses = (portOf: (store: Started) => number): Addresses => ({
    databaseUrl: postgres.addressAt(portOf(postgres)),
    redisQueueUrl: redisQueue.addressAt(portOf(redisQueue)),
    redisCacheUrl: redisCache.addressAt(portOf(redisCache)),
    s3: { endpoint: s3.addressAt(portOf(s3)), ...key, region: s3Region, buckets },
  })
  return {
    stores: started,
    direct: addresses(store => store.port),
    proxied: addresses(store => store.link.port),
  }
}

async function startPostgres(context: Context, password: string): Promise<Started> {
  const folder = join(context.folder, 'postgres')
  const home = await findPostgresHome({
    folders: [folder],
    programCopy: join(context.folder, 'postgres-programs'),
  })
  const port = await findFreePort()
  // What was committed must survive the crashes.
  const options = { home, port, password, connectionsMax, isDurable: true }
  await preparePostgres(options)
  const plan = postgresPlan(options)
  const server = await startServer(context, plan, () => checkPostgres(port, password))
  await ensureDatabase(port, password)
  return { ...(await withLink(context, server, port)), addressAt: at => postgresUrl(at, password) }
}

interface RedisServer {
  readonly program: RedisProgram
  readonly password: string
}

async function startRedis(
  context: Context,
  { program, password }: RedisServer,
  name: string,
): Promise<Started> {
  const port = await findFreePort()
  const options = { program, folder: join(context.folder, name), port, password }
  await prepareRedis(options)
  const addressAt = (at: number) => `redis://:${password}@${host}:${at}/0`
  const plan = { ...redisPlan(options), name }
  const server = await startServer(context, plan, () => checkRedis(addressAt(port)))
  return { ...(await withLink(context, server, port)), addressAt }
}

async function startObjectStore(
  context: Context,
  key: { readonly accessKeyId: string; readonly secretAccessKey: string },
): Promise<Started> {
  const port = await findFreePort()
  const plan = objectStorePlan({ folder: join(context.folder, 'objects'), port, ...key })
  const server = await startServer(context, plan, () => checkObjectStore(port))
  return { ...(await withLink(context, server, port)), addressAt: at => `http://${host}:${at}` }
}

async function startServer(
  { folder, stack }: Context,
  plan: StoreServerPlan,
  check: () => Promise<unknown>,
): Promise<StoreServer> {
  const guardFolder = join(folder, `guard-${plan.name}`)
  await mkdir(guardFolder, { recursive: true })
  return stack.use(await StoreServer.start({ plan, check, guardFolder }))
}

type StoreServerPlan = Parameters<typeof StoreServer.start>[0]['plan']

async function withLink({ seed, stack }: Context, server: StoreServer, port: number) {
  const link = stack.use(await FaultProxy.start({ target: { host, port }, seed }))
  return { server, link, port }
}
