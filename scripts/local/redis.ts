import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { ChildPlan } from './child.ts'
import type { RedisProgram } from './redis-program.ts'

export interface RedisOptions {
  readonly program: RedisProgram
  readonly folder: string
  readonly port: number
  readonly password: string
}

export interface RedisUrls {
  readonly queue: string
  readonly cache: string
}

const connectTimeoutMs = 1_000
const stopDeadlineMs = 10_000
const pidFile = 'redis.pid'

/** One server locally plays both roles, in two databases (decision 14). */
export function redisUrls(port: number, password: string): RedisUrls {
  const server = `redis://:${password}@127.0.0.1:${port}`
  return { queue: `${server}/0`, cache: `${server}/1` }
}

/** Writes the configuration: the password must not show in the list of processes. */
export async function prepareRedis({ folder, port, password }: RedisOptions): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${quote(folder)}`,
    `pidfile ${quote(join(folder, pidFile))}`,
    // The queue must lose nothing: no eviction, and every write in a log synced each second.
    'maxmemory-policy noeviction',
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'daemonize no',
    'loglevel notice',
  ]
  await writeFile(configFile(folder), `${lines.join('\n')}\n`, { mode: 0o600 })
}

export function redisPlan({ program, folder }: RedisOptions): ChildPlan {
  return {
    name: 'redis',
    command: program.path,
    parameters: [configFile(folder)],
    environment: {
      PATH: '/usr/bin:/bin',
      ...(program.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: program.libraryPath }),
    },
    folder,
    stopSignal: 'SIGTERM',
    stopDeadlineMs,
  }
}

/** Throws while the server is not ready, which includes loading its data. */
export async function checkRedis(url: string): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
  })
  // The failure is thrown by connect(); ioredis would also print it.
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    await redis.ping()
  } finally {
    redis.disconnect()
  }
}

export async function readRedisPid(folder: string): Promise<number | undefined> {
  const file = join(folder, pidFile)
  if (!existsSync(file)) return undefined
  const pid = Number.parseInt(await readFile(file, 'utf8'), 10)
  return Number.isInteger(pid) && pid > 0 ? pid : undefined
}

function configFile(folder: string): string {
  return join(folder, 'redis.conf')
}

function quote(path: string): string {
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
