import { randomInt } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase, type Database } from '@funmagic/database/client'
import { createTestDatabase } from '@funmagic/database/testing'
import { startAlb } from '@funmagic/simulators/alb'
import { loadRouting } from '@funmagic/simulators/routing'
import { Child, describeEnding } from '../../local/child.ts'
import { localFolders } from '../../local/folders.ts'
import { readSettings } from '../../local/settings.ts'
import { findStackFile, type Addresses, type StackFile } from '../../local/stack-file.ts'
import { startStack } from '../../local/stack.ts'
import { until as untilOk } from '../../local/waiting.ts'
import { startRedis } from './platform.ts'

export const groups = ['stable', 'beta'] as const
export type Group = (typeof groups)[number]

/** The header that leads a request to the group. */
export const steering: Readonly<Record<Group, Readonly<Record<string, string>>>> = {
  stable: {},
  beta: { 'x-dev-mode': 'true' },
}

export interface TwoReleases {
  /** The one balancer in front of both. */
  readonly edge: string
  readonly database: Database
  /** What the release before answered while the schema grew under it. */
  readonly answersMeanwhile: readonly number[]
  workerLog(group: Group): Promise<string>
}

interface Teardown {
  teardown(work: () => unknown): void
}

type Environment = NodeJS.ProcessEnv

const startDeadlineMs = 180_000
const stopDeadlineMs = 60_000
const probeEveryMs = 200
const probeTimeoutMs = 20_000

/**
 * A rollout: the release before runs from its own checkout on a database that it has migrated
 * itself; the present one is brought to the same stores, migrates and starts; then both stand
 * behind one balancer, the one before as stable, the present one as beta.
 */
export async function startTwoReleases(t: Teardown, checkout: string): Promise<TwoReleases> {
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-two-releases-'))
  await using opening = new AsyncDisposableStack()
  opening.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const redis = await startRedis(folder)
  opening.defer(() => redis.child.stop())
  const shared = {
    ...process.env,
    DATABASE_URL: await createEmptyDatabase(t),
    REDIS_QUEUE_URL: `${redis.url}/0`,
    REDIS_CACHE_URL: `${redis.url}/1`,
    PROVIDER_LATENCY_MS: '500',
  }
  const before = await startBefore(opening, checkout, {
    ...shared,
    SERVED_BY: 'stable',
    FUNMAGIC_PORT_BASE: String(randomInt(10_000, 20_000)),
  })

  const probe = watch(`${before.edge}/api/tools`)
  await copySecrets(checkout, folder)
  const present = await startPresent(opening, folder, {
    ...shared,
    SERVED_BY: 'beta',
    FUNMAGIC_PORT_BASE: String(randomInt(21_000, 31_000)),
    // One set of vendors for both: a task may be ordered here and run there.
    PROVIDER_SIMULATORS_URL: before.providers,
  })
  const answersMeanwhile = await probe.end()

  const balancer = await startAlb({
    port: 0,
    routing: await loadRouting(),
    stable: listed(before),
    beta: listed(present),
  })
  opening.use(balancer)
  const database = opening.use(
    openDatabase({ url: shared.DATABASE_URL, poolMax: 2, applicationName: 'two-releases' }),
  )
  const opened = opening.move()
  t.teardown(() => opened.disposeAsync())
  const logs = { stable: localFolders({}, checkout).logs, beta: localFolders({}, folder).logs }
  return {
    edge: balancer.url,
    database,
    answersMeanwhile,
    workerLog: group => readFile(join(logs[group], 'provider-worker.log'), 'utf8'),
  }
}

/** On the server of the tests; without tables, since the release before is to make them. */
async function createEmptyDatabase(t: Teardown): Promise<string> {
  const { database, url } = await createTestDatabase(t)
  const empty = new URL(url)
  empty.pathname = `${empty.pathname}_empty`
  const name = empty.pathname.slice(1)
  await database.pool.query(`CREATE DATABASE ${name}`)
  t.teardown(() => database.pool.query(`DROP DATABASE ${name} WITH (FORCE)`))
  return empty.href
}

async function startBefore(
  opening: AsyncDisposableStack,
  checkout: string,
  environment: Environment,
): Promise<StackFile> {
  const { local } = localFolders({}, checkout)
  await rm(local, { recursive: true, force: true })
  const child = new Child(
    {
      name: 'the release before',
      command: process.execPath,
      parameters: [join(checkout, 'scripts/start.ts')],
      environment: definedOf(environment),
      folder: checkout,
      stopSignal: 'SIGTERM',
      stopDeadlineMs,
    },
    () => undefined,
  )
  opening.defer(() => child.stop())
  const ended = new AbortController()
  void child.ended.then(ending => {
    const lines = child.lastLines().join('\n')
    ended.abort(new Error(`The release before: ${describeEnding(ending)}\n${lines}`))
  })
  let found: StackFile | undefined
  await untilOk(
    async () => {
      found = await findStackFile(local)
      if (found === undefined) throw new Error(`still starting: ${child.lastLines().at(-1)}`)
    },
    { deadlineMs: startDeadlineMs, signal: ended.signal },
  )
  if (found === undefined) throw new Error('The release before has no stack.json')
  return found
}

/** Both sign addresses, seal keys and quotes with the same secrets, as two groups do. */
async function copySecrets(checkout: string, folder: string): Promise<void> {
  const from = localFolders({}, checkout).local
  const to = localFolders({}, folder).local
  await mkdir(to, { recursive: true, mode: 0o700 })
  await cp(join(from, 'secrets.json'), join(to, 'secrets.json'))
}

async function startPresent(
  opening: AsyncDisposableStack,
  folder: string,
  environment: Environment,
): Promise<Addresses> {
  const settings = { ...readSettings(environment), folders: localFolders(environment, folder) }
  const report = { tell: () => undefined, warn: () => undefined, print: () => undefined }
  const signal = AbortSignal.timeout(startDeadlineMs)
  return opening.use(await startStack({ settings, report, signal })).addresses
}

function listed({ services }: Addresses): Record<string, string[]> {
  return Object.fromEntries(Object.entries(services).map(([name, url]) => [name, [url]]))
}

/** Asks again and again until it is told to end; a request without an answer counts as status 0. */
function watch(url: string): { end(): Promise<number[]> } {
  const answers: number[] = []
  const stop = new AbortController()
  const watching = (async () => {
    while (!stop.signal.aborted) {
      answers.push(await statusOf(url))
      await new Promise(resolve => setTimeout(resolve, probeEveryMs))
    }
  })()
  return {
    end: async () => {
      stop.abort()
      await watching
      return answers
    },
  }
}

async function statusOf(url: string): Promise<number> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs) })
    await response.body?.cancel()
    return response.status
  } catch {
    // Refused, cut or too late: what the test is to see.
    return 0
  }
}

function definedOf(environment: Environment): Record<string, string> {
  const entries = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  return Object.fromEntries(entries)
}
