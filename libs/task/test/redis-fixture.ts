import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { findFreePort } from '@funmagic/database/testing'
import { newId } from '@funmagic/contract/ids'
import { until } from './task-fixture.ts'

/** A connection to the Redis that all tests share; keep to keys that carry a fresh id. */
export function openSharedRedis(t: Test, options: { url?: string } = {}): Redis {
  const url = options.url ?? process.env['REDIS_CACHE_URL']
  if (!url) throw new Error('REDIS_CACHE_URL is not set: run the tests with `npm test`')
  const redis = new Redis(url, { maxRetriesPerRequest: 1 })
  redis.on('error', () => undefined)
  t.teardown(() => redis.disconnect())
  return redis
}

/** Where a test may have a queue of its own on the Redis that all tests share. */
export function sharedQueue(): { url: string; prefix: string } {
  const url = process.env['REDIS_QUEUE_URL']
  if (!url) throw new Error('REDIS_QUEUE_URL is not set: run the tests with `npm test`')
  return { url, prefix: `test-${newId()}` }
}

export interface OwnRedis {
  readonly url: string
  /** Ends the server like a power cut, and waits until it is gone. */
  kill(): Promise<void>
  /** Starts it again, empty, on the same port. */
  start(): Promise<void>
}

/** A Redis server of this test alone, to be flushed, killed and restarted. */
export async function startOwnRedis(t: Test, ...settings: string[]): Promise<OwnRedis> {
  const port = await findFreePort()
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-redis-'))
  const url = `redis://127.0.0.1:${port}`
  let server: ChildProcess | undefined
  const kill = async () => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  const start = async () => {
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
    const binary = process.env['REDIS_SERVER_BIN'] ?? 'redis-server'
    server = spawn(binary, [...fixed, ...settings], { stdio: 'ignore' })
    await until(() => answers(url))
  }
  // A test file that ends by an error runs no teardown.
  process.once('exit', () => server?.kill('SIGKILL'))
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  await start()
  return { url, kill, start }
}

async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    return (await redis.ping()) === 'PONG'
  } catch {
    // The server is not there yet; until() asks again.
    return false
  } finally {
    redis.disconnect()
  }
}
