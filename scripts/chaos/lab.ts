import { randomInt } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase, type Database } from '@funmagic/database/client'
import { Redis } from 'ioredis'
import { localFolders } from '../local/folders.ts'
import { host, readPorts } from '../local/ports.ts'
import type { Report } from '../local/report.ts'
import { readSettings } from '../local/settings.ts'
import { findStackFile, type Addresses } from '../local/stack-file.ts'
import { startStack } from '../local/stack.ts'
import { FaultProxy } from './fault-proxy.ts'
import type { FaultLog } from './fault-log.ts'
import { aloneCreditsMax } from './operators.ts'
import type { LinkName, ProviderName, ServiceName } from './schedule.ts'
import { startLabStores, type LabStores } from './stores.ts'

export interface LabOptions {
  readonly seed: number
  readonly report: Report
  readonly signal: AbortSignal
  /** Is told of processes that end and of those that are back. */
  readonly log: Pick<FaultLog, 'noteAway' | 'noteBack'>
  /** Where the logs of the processes stay; without it they go with everything else. */
  readonly logsFolder?: string | undefined
}

/** A call that the simulated providers got, as their control API tells. */
export interface ProviderCall {
  readonly provider: ProviderName
  readonly isAccepted: boolean
  readonly id: string | null
  /** Our id of the call, where the provider was told it. */
  readonly clientReference: string | null
  /** In milliseconds of the clock. */
  readonly openedAt: number | null
  readonly closedAt: number | null
}

export interface ProviderCalls {
  readonly providers: Readonly<Record<ProviderName, ProviderTally>>
  readonly calls: readonly ProviderCall[]
}

interface ProviderTally {
  readonly submits: number
  readonly attempts: number
  readonly open: number
  readonly openMax: number
}

/**
 * The whole platform as `npm start` runs it, on stores of its own, with a proxy on each link. All
 * of it is in a temporary folder that goes with it.
 */
export interface Lab extends AsyncDisposable {
  readonly addresses: Addresses
  /** Past the proxies: what the checker sees no fault touches, but for the crash of a server. */
  readonly database: Database
  readonly direct: LabStores['direct']
  readonly stores: LabStores['stores']
  readonly links: Readonly<Record<LinkName, FaultProxy>>
  pidOf(service: ServiceName): Promise<number | undefined>
  /** What the simulated providers do. */
  control(method: string, path: string, body?: object): Promise<Response>
  /** What the simulated Stripe does. */
  controlStripe(method: string, path: string, body?: object): Promise<Response>
  withRedis<Result>(
    store: 'redisQueue' | 'redisCache',
    work: (redis: Redis) => Promise<Result>,
  ): Promise<Result>
}

export const slotLeaseSeconds = 10

// Short leases and frequent sweeps: a minute then shows what otherwise takes ten.
const variables = {
  PROVIDER_LATENCY_MS: '300',
  PROVIDER_SUBMIT_TIMEOUT_MS: '4000',
  PROVIDER_POLL_TIMEOUT_MS: '2000',
  PROVIDER_POLL_INTERVAL_MS: '300',
  PROVIDER_OUTPUT_TIMEOUT_MS: '5000',
  PROVIDER_SLOT_LEASE_SECONDS: String(slotLeaseSeconds),
  TASK_LEASE_MS: '5000',
  TASK_RETRY_DELAY_MS: '200',
  TASK_RETRY_DELAY_MAX_MS: '2000',
  TASK_RATE_LIMITS_MAX: '3',
  TASK_RESCUES_MAX: '5',
  SWEEP_INTERVAL_MS: '500',
  REDISPATCH_AFTER_SECONDS: '3',
  WORKER_LOCK_MS: '5000',
  WORKER_WEDGED_AFTER_MS: '15000',
  WORKER_GRACE_MS: '2000',
  CREDIT_SWEEP_MS: '1000',
  ADJUST_ALONE_CREDITS_MAX: String(aloneCreditsMax),
  LOG_LEVEL: 'warn',
}
const controlTimeoutMs = 5_000
const checkerConnections = 3

export async function startLab(options: LabOptions): Promise<Lab> {
  const { seed, signal, logsFolder } = options
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-chaos-'))
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  // The user who runs Postgres for root must get in.
  await chmod(folder, 0o755)
  const { stores, direct, proxied } = await startLabStores({ folder, seed, stack })
  const base = process.env['FUNMAGIC_PORT_BASE'] ?? String(randomInt(10_000, 27_000))
  const ports = readPorts({ FUNMAGIC_PORT_BASE: base })
  const toProviders = stack.use(
    await FaultProxy.start({ target: { host, port: ports.providers }, seed }),
  )
  const environment = {
    ...process.env,
    ...variables,
    FUNMAGIC_PORT_BASE: base,
    DATABASE_URL: proxied.databaseUrl,
    REDIS_QUEUE_URL: proxied.redisQueueUrl,
    REDIS_CACHE_URL: proxied.redisCacheUrl,
    ...storeVariables(proxied.s3),
    PROVIDER_SIMULATORS_URL: `http://${host}:${toProviders.port}`,
  }
  const own = localFolders(environment, folder)
  const folders = { ...own, logs: logsFolder ?? own.logs }
  const settings = { ...readSettings(environment), folders }
  const { addresses } = stack.use(
    await startStack({ settings, report: listening(options), signal }),
  )
  const database = stack.use(
    openDatabase({
      url: direct.databaseUrl,
      poolMax: checkerConnections,
      applicationName: 'chaos-checker',
    }),
  )
  const owned = stack.move()
  return {
    addresses,
    database,
    direct,
    stores,
    links: { ...linksOf(stores), providers: toProviders },
    pidOf: async service => (await findStackFile(settings.folders.local))?.pids[service],
    control: (method, path, body) =>
      control(`${addresses.providers}/_control/${path}`, method, body),
    controlStripe: (method, path, body) =>
      control(`${addresses.stripe}/_control/${path}`, method, body),
    withRedis: (store, work) =>
      withRedis(store === 'redisQueue' ? direct.redisQueueUrl : direct.redisCacheUrl, work),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What the services warn of is what this is about; it stays in their logs, but for their ends. */
function listening({ report, log }: LabOptions): Report {
  return {
    ...report,
    tell: text => {
      const process = /^(\S+) works again/.exec(text)?.[1]
      if (process !== undefined) log.noteBack(process)
      report.tell(text)
    },
    warn: text => {
      const process = /^(\S+) (?:ended with|did not answer)/.exec(text)?.[1]
      if (process === undefined) return
      log.noteAway(process)
      const [line = ''] = text.split('. Its last lines', 1)
      report.tell(line.split('\n', 1)[0] ?? '')
    },
  }
}

export async function readCalls(lab: Lab): Promise<ProviderCalls> {
  // The shape is that of the simulators' control API, libs/simulators/src/providers/call-log.ts.
  return (await (await lab.control('GET', 'calls')).json()) as ProviderCalls
}

function linksOf({ postgres, redisQueue, redisCache, s3 }: LabStores['stores']) {
  return {
    postgres: postgres.link,
    redisQueue: redisQueue.link,
    redisCache: redisCache.link,
    s3: s3.link,
  }
}

function storeVariables({ endpoint, accessKeyId, secretAccessKey, region, buckets }: StoreAccess) {
  return {
    S3_ENDPOINT: endpoint,
    S3_ACCESS_KEY: accessKeyId,
    S3_SECRET_KEY: secretAccessKey,
    S3_REGION: region,
    ...buckets,
  }
}

type StoreAccess = LabStores['direct']['s3']

async function control(url: string, method: string, body?: object): Promise<Response> {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(controlTimeoutMs),
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}`)
  return response
}

async function withRedis<Result>(
  url: string,
  work: (redis: Redis) => Promise<Result>,
): Promise<Result> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, retryStrategy: null })
  // The failure is thrown by the command; ioredis would also print it.
  redis.on('error', () => undefined)
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}
