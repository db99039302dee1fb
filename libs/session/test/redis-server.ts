import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { findFreePort } from '@funmagic/database/testing'

interface Teardown {
  teardown(work: () => unknown): void
}

/** A Redis server of the test's own, to be paused, killed and restored from a snapshot. */
export interface RedisServer {
  readonly url: string
  /** A client with the bounds that services use. */
  connect(): Redis
  pause(): void
  resume(): void
  /** Ends the process without saving; the last snapshot stays. */
  kill(): Promise<void>
  start(): Promise<void>
}

export async function startRedis(t: Teardown): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'session-redis-'))
  const port = await findFreePort()
  const url = `redis://127.0.0.1:${port}/0`
  const clients: Redis[] = []
  let server: ChildProcess | undefined

  const connect = (): Redis => {
    const redis = new Redis(url, {
      commandTimeout: 500,
      maxRetriesPerRequest: 1,
      retryStrategy: () => 50,
    })
    redis.on('error', () => undefined)
    clients.push(redis)
    return redis
  }
  const start = async (): Promise<void> => {
    const command = process.env['REDIS_SERVER_BIN'] ?? 'redis-server'
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory]
    server = spawn(command, [...settings, '--save', ''], { stdio: 'ignore' })
    await waitUntilReady(url)
  }
  const kill = async (): Promise<void> => {
    const ended = new Promise(resolve => server?.once('exit', resolve))
    server?.kill('SIGKILL')
    await ended
  }
  await start()
  t.teardown(async () => {
    clients.forEach(client => client.disconnect())
    await kill()
    await rm(directory, { recursive: true })
  })
  const pause = () => void server?.kill('SIGSTOP')
  const resume = () => void server?.kill('SIGCONT')
  return { url, connect, pause, resume, kill, start }
}

async function waitUntilReady(url: string): Promise<void> {
  const probe = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: 250 })
  probe.on('error', () => undefined)
  await probe.ping()
  probe.disconnect()
}
