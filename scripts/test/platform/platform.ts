import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Database } from '@funmagic/database/client'
import { createTestDatabase } from '@funmagic/database/testing'
import { Child } from '../../local/child.ts'
import { localFolders } from '../../local/folders.ts'
import { findFreePort } from '@funmagic/database/testing'
import { host } from '../../local/ports.ts'
import type { Report } from '../../local/report.ts'
import { readSettings } from '../../local/settings.ts'
import { findStackFile, type Addresses } from '../../local/stack-file.ts'
import { startStack } from '../../local/stack.ts'
import { Client } from './client.ts'

// Below the ports that Linux gives to connections (ip_local_port_range), any of which may be taken.
const portBaseMin = 10_000
const portBaseMax = 27_000

interface Teardown {
  teardown(work: () => unknown): void
}

export interface Platform {
  readonly addresses: Addresses
  readonly database: Database
  /** The process that is the service at this moment. */
  pidOf(service: string): Promise<number>
  /** What the supervisor told, for tests that watch it. */
  readonly lines: readonly string[]
  newUser(): Promise<Client>
  /** Makes a provider of the simulators fail; see libs/simulators. */
  script(script: Readonly<Record<string, unknown>>): Promise<void>
  clearScripts(): Promise<void>
  /** How many calls a provider has accepted. */
  submits(provider: string): Promise<number>
  flushRedis(): Promise<void>
}

/**
 * The whole system as `npm start` runs it, on the stores of the test run but with a database and
 * a Redis of its own, so that a test may flush and kill what it likes.
 */
export async function startPlatform(
  t: Teardown,
  variables: Readonly<Record<string, string>> = {},
): Promise<Platform> {
  const { database, url } = await createTestDatabase(t)
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-platform-'))
  const redis = await startRedis(folder)
  const environment = {
    ...process.env,
    ...variables,
    DATABASE_URL: url,
    REDIS_QUEUE_URL: `${redis.url}/0`,
    REDIS_CACHE_URL: `${redis.url}/1`,
    FUNMAGIC_PORT_BASE: String(randomInt(portBaseMin, portBaseMax)),
  }
  const settings = { ...readSettings(environment), folders: localFolders(environment, folder) }
  const lines: string[] = []
  const signal = new AbortController().signal
  await using opening = new AsyncDisposableStack()
  opening.defer(() => rm(folder, { recursive: true, force: true }))
  // Also when the rest does not start: a test that waits for its children never ends.
  opening.defer(() => redis.child.stop())
  const stack = opening.use(await startStack({ settings, report: keepLines(lines), signal }))
  const opened = opening.move()
  t.teardown(() => opened.disposeAsync())
  const { addresses } = stack
  const pidOf = async (service: string) => {
    const pid = (await findStackFile(settings.folders.local))?.pids[service]
    if (pid === undefined) throw new Error(`${service} does not run`)
    return pid
  }
  return { addresses, database, lines, pidOf, ...createActions(addresses) }
}

interface CallCounts {
  readonly providers: Readonly<Record<string, { readonly submits: number } | undefined>>
}

function createActions({ edge, providers, redisQueue }: Addresses) {
  const control = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${providers}/_control/${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${path} answered ${response.status}`)
    return response
  }
  return {
    newUser: async () => {
      const client = new Client(edge)
      await client.signUp()
      return client
    },
    script: async (script: Readonly<Record<string, unknown>>) => {
      await control('POST', 'scripts', script)
    },
    clearScripts: async () => {
      await control('DELETE', 'scripts')
    },
    submits: async (provider: string) => {
      // The shape is that of the simulators' control API; another one fails the comparison.
      const calls = (await (await control('GET', 'calls')).json()) as CallCounts
      return calls.providers[provider]?.submits ?? Number.NaN
    },
    flushRedis: async () => {
      const { Redis } = await import('ioredis')
      const redis = new Redis(redisQueue)
      await redis.flushall()
      redis.disconnect()
    },
  }
}

export async function startRedis(folder: string): Promise<{ url: string; child: Child }> {
  const port = await findFreePort()
  const child = new Child(
    {
      name: 'redis',
      command: process.env['REDIS_SERVER_BIN'] ?? 'redis-server',
      parameters: ['--port', String(port), '--bind', host, '--save', '', '--dir', folder],
      environment: {},
      folder,
      stopSignal: 'SIGTERM',
      stopDeadlineMs: 5_000,
    },
    () => undefined,
  )
  return { url: `redis://${host}:${port}`, child }
}

function keepLines(lines: string[]): Report {
  const keep = (text: string) => void lines.push(text)
  return { tell: keep, warn: keep, print: keep }
}

/** Waits for a condition with a deadline. */
export async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`)
    await wait(100)
  }
}
