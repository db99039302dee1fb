import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child, type ChildPlan } from './local/child.ts'
import { localFolders } from './local/folders.ts'
import { startGuardian } from './local/guardian.ts'
import { buckets, checkObjectStore, objectStorePlan, s3Region } from './local/object-store-plan.ts'
import { findFreePort } from '@funmagic/database/testing'
import { host } from './local/ports.ts'
import { findPostgresHome } from './local/postgres-home.ts'
import { checkPostgres, postgresPlan, postgresUrl, preparePostgres } from './local/postgres.ts'
import { findRedisProgram, type RedisProgram } from './local/redis-program.ts'
import { checkRedis, prepareRedis, redisPlan, redisUrls } from './local/redis.ts'
import { newSecrets, type Secrets } from './local/secrets.ts'
import { hasDocker, startPostgresContainer, startRedisContainer } from './local/test-containers.ts'
import { until } from './local/waiting.ts'

export interface TestInfrastructure extends AsyncDisposable {
  /** For the test processes: DATABASE_URL, REDIS_*, S3_*, and REDIS_SERVER_BIN. */
  readonly environment: Readonly<Record<string, string>>
}

const connectionsMax = 300
const readyDeadlineMs = 30_000
const containerDeadlineMs = 180_000

/**
 * The servers that the tests need. Of each kind: the one named in the environment, else a
 * container where a Docker engine answers, else an embedded one on a free port with its data in
 * a temporary folder. What is started here also ends when this process is killed.
 */
export async function startTestInfrastructure(): Promise<TestInfrastructure> {
  await using stack = new AsyncDisposableStack()
  const folder = await makeFolder()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const context: Context = {
    folder,
    stack,
    secrets: newSecrets(),
    withDocker: await hasDocker(process.env),
    children: [],
  }
  const program = await openRedisProgram()
  // All are waited for, so that one that fails leaves none that starts behind its back.
  const settled = await Promise.allSettled([
    providePostgres(context),
    provideRedis(context, program),
    provideObjectStore(context),
  ])
  const parts = settled.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
  stack.use(guard(context))
  const serverPath = await writeRedisWrapper(folder, program)
  const entries = parts.flatMap(part => Object.entries(part))
  const environment = { REDIS_SERVER_BIN: serverPath, ...Object.fromEntries(entries) }
  const owned = stack.move()
  return { environment, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface Context {
  readonly folder: string
  readonly stack: AsyncDisposableStack
  readonly secrets: Secrets
  readonly withDocker: boolean
  readonly children: Child[]
}

type Variables = Readonly<Record<string, string>>

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-test-'))
  // The user who runs Postgres for root must get in.
  await chmod(folder, 0o755)
  return folder
}

async function providePostgres(context: Context): Promise<Variables> {
  const outside = named(['DATABASE_URL'])
  if (outside !== undefined) return outside
  const container = await tryContainer(context, () => startPostgresContainer(connectionsMax))
  if (container !== undefined) return { DATABASE_URL: container }
  const home = await findPostgresHome({
    folders: [join(context.folder, 'postgres')],
    programCopy: join(context.folder, 'postgres-programs'),
  })
  const password = context.secrets.postgresPassword
  const port = await findFreePort()
  const options = { home, port, password, connectionsMax, isDurable: false }
  await preparePostgres(options)
  await startChild(context, postgresPlan(options), () => checkPostgres(port, password))
  return { DATABASE_URL: postgresUrl(port, password, 'postgres') }
}

async function provideRedis(context: Context, program: RedisProgram): Promise<Variables> {
  const outside = named(['REDIS_QUEUE_URL', 'REDIS_CACHE_URL'])
  if (outside !== undefined) return outside
  const container = await tryContainer(context, startRedisContainer)
  if (container !== undefined) {
    return { REDIS_QUEUE_URL: `${container}/0`, REDIS_CACHE_URL: `${container}/1` }
  }
  const password = context.secrets.redisPassword
  const port = await findFreePort()
  const options = { program, folder: join(context.folder, 'redis'), port, password }
  await prepareRedis(options)
  const urls = redisUrls(port, password)
  await startChild(context, redisPlan(options), () => checkRedis(urls.queue))
  return { REDIS_QUEUE_URL: urls.queue, REDIS_CACHE_URL: urls.cache }
}

async function provideObjectStore(context: Context): Promise<Variables> {
  const names = ['S3_ENDPOINT', 'S3_ACCESS_KEY', 'S3_SECRET_KEY', 'S3_REGION']
  const outside = named([...names, ...Object.keys(buckets)])
  if (outside !== undefined) return outside
  const { s3AccessKeyId: accessKeyId, s3SecretAccessKey: secretAccessKey } = context.secrets
  const port = await findFreePort()
  const folder = join(context.folder, 'objects')
  const plan = objectStorePlan({ folder, port, accessKeyId, secretAccessKey })
  await startChild(context, plan, () => checkObjectStore(port))
  return {
    S3_ENDPOINT: `http://${host}:${port}`,
    S3_ACCESS_KEY: accessKeyId,
    S3_SECRET_KEY: secretAccessKey,
    S3_REGION: s3Region,
    ...buckets,
  }
}

/** The variables from the environment, when all of them are there. */
function named(names: readonly string[]): Variables | undefined {
  const entries = names.map(name => [name, process.env[name] ?? ''] as const)
  return entries.every(([, value]) => value !== '') ? Object.fromEntries(entries) : undefined
}

/** The container's address; undefined without Docker, or when the image cannot be had. */
async function tryContainer(
  { withDocker, stack }: Context,
  start: () => Promise<AsyncDisposable & { readonly url: string }>,
): Promise<string | undefined> {
  if (!withDocker) return undefined
  const starting = start()
  try {
    const container = stack.use(await withinDeadline(starting))
    return container.url
  } catch (error) {
    // An engine without a registry: the embedded server does as well.
    const reason = error instanceof Error ? error.message : String(error)
    console.log(`  no container (${reason.split('\n')[0]?.trim()}): using the embedded server`)
    return undefined
  }
}

/** Pulling an image has no deadline of its own; what comes too late is ended again. */
async function withinDeadline<Started extends AsyncDisposable>(
  starting: Promise<Started>,
): Promise<Started> {
  const timer = new AbortController()
  const { signal } = timer
  const late = sleep(containerDeadlineMs, 'late' as const, { signal })
  const first = await Promise.race([starting, late]).finally(() => timer.abort())
  if (first !== 'late') return first
  // It may still come, or fail: neither concerns the tests any more.
  starting.then(started => started[Symbol.asyncDispose]()).catch(() => undefined)
  throw new Error(`the image was not there within ${containerDeadlineMs / 1000} s`)
}

async function startChild(
  { stack, children }: Context,
  plan: ChildPlan,
  check: () => Promise<unknown>,
): Promise<void> {
  const child = new Child(plan, () => undefined)
  children.push(child)
  stack.defer(() => child.stop())
  const exited = new AbortController()
  void child.ended.then(() => exited.abort(new Error(`${plan.name} ended`)))
  try {
    await until(check, { deadlineMs: readyDeadlineMs, signal: exited.signal })
  } catch (error) {
    const lines = child.lastLines().join('\n')
    throw new Error(`${plan.name} did not start:\n${lines}`, { cause: error })
  }
}

function guard({ folder, children }: Context): Disposable {
  const watched = children.flatMap(({ pid, name }) => {
    if (pid === undefined) return []
    return [{ pid, signal: name === 'postgres' ? ('INT' as const) : ('KILL' as const) }]
  })
  return startGuardian(folder, watched)
}

function openRedisProgram(): Promise<RedisProgram> {
  const folders = localFolders(process.env)
  return findRedisProgram({
    searchPath: process.env['PATH'] ?? '',
    caches: [folders.cache, folders.local],
    onDownload: text => console.log(`  ${text}`),
  })
}

/** Tests that break a server start their own with this; the wrapper knows its libraries. */
async function writeRedisWrapper(folder: string, program: RedisProgram): Promise<string> {
  if (program.libraryPath === undefined) return program.path
  const path = join(folder, 'redis-server')
  const lines = [
    '#!/bin/sh',
    `export LD_LIBRARY_PATH='${program.libraryPath}'`,
    `exec '${program.path}' "$@"`,
  ]
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o755 })
  return path
}
