import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { relayOutbox } from '@funmagic/task/outbox'
import { TaskQueue } from '@funmagic/task/queue'
import { redispatchLost, rescueExpired } from '@funmagic/task/sweeps'
import type { Test } from 'tap'
import { callsOf, readTask } from './runner.ts'
import { startOwnRedis } from './own-redis.ts'
import { until } from './until.ts'
import { createWorld, environment, secretKey, type World } from './worker-world.ts'

/** A queue, the gateway's part of moving tasks, and real workers to start and kill. */
export interface Site extends World {
  readonly queue: TaskQueue
  /** Of the queue, for who wants to stand in between. */
  readonly redisUrl: string
  startWorker(t: Test, settings?: Record<string, string>): Promise<WorkerProcess>
}

export interface WorkerProcess {
  readonly url: string
  /** What it wrote, a line of JSON each. */
  readonly lines: readonly Record<string, unknown>[]
  signal(name: NodeJS.Signals): void
  /** True while it stands still, after SIGSTOP. */
  isStopped(): Promise<boolean>
  /** The exit code, or the signal that ended it. */
  exit(): Promise<number | string>
}

const leaseMs = 1_000
const redispatchAfterMs = 10_000

export interface SiteOptions {
  /** How often a task that lost its worker is taken up again; for ever, nearly, unless told. */
  readonly rescuesMax?: number
}

export async function createSite(t: Test, options: SiteOptions = {}): Promise<Site> {
  const world = await createWorld(t)
  const redisUrl = await startOwnRedis(t)
  const queue = new TaskQueue({
    url: redisUrl,
    connectionName: 'relay-test',
    onError: () => undefined,
  })
  t.teardown(() => queue[Symbol.asyncDispose]())
  moveTasks(t, { world, queue, rescuesMax: options.rescuesMax ?? 20 })
  return {
    ...world,
    queue,
    redisUrl,
    startWorker: (test, settings) =>
      startWorker(test, { ...environmentOf(world, redisUrl), ...settings }),
  }
}

/** What the gateway does all the time: wake-ups to the queue, and rescues. */
function moveTasks(
  t: Test,
  {
    world: { database },
    queue,
    rescuesMax,
  }: { world: World; queue: TaskQueue; rescuesMax: number },
): void {
  const stop = new AbortController()
  const move = async () => {
    while (!stop.signal.aborted) {
      await relayOutbox(database, wakeUps => queue.enqueue(wakeUps), { batchSize: 100 })
      await rescueExpired(database, { limit: 100, rescuesMax })
      await redispatchLost(database, { limit: 100, olderThanMs: redispatchAfterMs })
      await wait(50)
    }
  }
  const moving = move()
  t.teardown(async () => {
    stop.abort()
    await moving
  })
}

function environmentOf(world: World, redisUrl: string): Record<string, string> {
  const shared = ['S3_ENDPOINT', 'S3_ACCESS_KEY', 'S3_SECRET_KEY', 'S3_REGION', 'REDIS_CACHE_URL']
  const buckets = ['S3_BUCKET_PUBLIC', 'S3_BUCKET_PRIVATE', 'S3_BUCKET_ADMIN']
  return {
    ...Object.fromEntries([...shared, ...buckets].map(name => [name, environment(name)])),
    PATH: environment('PATH'),
    DATABASE_URL: world.databaseUrl,
    REDIS_QUEUE_URL: redisUrl,
    SECRET_KEY: secretKey,
    PORT: '0',
    TASK_LEASE_MS: String(leaseMs),
    PROVIDER_POLL_INTERVAL_MS: '20',
    TASK_PROGRESS_INTERVAL_MS: '20',
  }
}

async function startWorker(t: Test, env: Record<string, string>): Promise<WorkerProcess> {
  const program = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await exited
  })
  const lines = readLines(child)
  await until(() => addressIn(lines) !== undefined, 60_000)
  return {
    url: addressIn(lines) ?? '',
    lines,
    signal: name => void child.kill(name),
    isStopped: async () => {
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8')
      return stat.slice(stat.lastIndexOf(')')).startsWith(') T')
    },
    exit: async () => {
      const [code, signal] = await exited
      return typeof code === 'number' ? code : String(signal)
    },
  }
}

function readLines(child: ChildProcess): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = []
  if (child.stdout === null) throw new Error('the worker has no stdout')
  createInterface(child.stdout).on('line', line => lines.push(JSON.parse(line)))
  return lines
}

function addressIn(lines: readonly Record<string, unknown>[]): string | undefined {
  const messages = lines.map(({ msg }) => String(msg))
  return messages.map(text => /listening at (http\S+)/.exec(text)?.[1]).find(url => url)
}

/** Long enough for a worker that has to find out first that it has lost its connections. */
const endMs = 60_000

export async function isCompleted(site: Site, taskId: string): Promise<void> {
  await until(async () => (await readTask(site, taskId)).status === 'completed', endMs)
}

export async function isSubmitted(site: Site, taskId: string): Promise<void> {
  await until(async () => (await callsOf(site, taskId))[0]?.['state'] === 'submitted')
}

export async function submitsOf(site: Site, provider: 'fal' | 'openai'): Promise<number> {
  return (await site.providers.calls()).providers[provider].submits
}
