import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from '@funmagic/database/testing'
import { openRedis } from '@funmagic/runtime/redis'

interface Teardown {
  teardown(work: () => unknown): void
}

/** A Redis server of the test's own, to be killed, frozen and emptied. */
export interface RedisServer {
  readonly url: string
  start(): Promise<void>
  /** Ends the process; nothing of it is kept. */
  kill(): Promise<void>
  /** Keeps its sockets open and answers nothing (fault R-5). */
  freeze(): void
  thaw(): void
  flush(): Promise<void>
}

export async function startRedis(t: Teardown): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-redis-'))
  const port = await findFreePort()
  const url = `redis://127.0.0.1:${port}/0`
  let server: ChildProcess | undefined

  const start = async (): Promise<void> => {
    const command = process.env['REDIS_SERVER_BIN'] ?? 'redis-server'
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
    server = spawn(command, [...settings, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
    await ask({ url, command: 'PING' })
  }
  const kill = async (): Promise<void> => {
    if (server === undefined) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
    server = undefined
  }
  await start()
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true })
  })
  return {
    url,
    start,
    kill,
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    flush: () => ask({ url, command: 'FLUSHALL' }),
  }
}

/** Asks until the server answers, at most some seconds. */
async function ask({ url, command }: { url: string; command: string }): Promise<void> {
  const redis = openRedis({ url, role: 'subscriber', name: 'test', onError: () => undefined })
  try {
    await redis.call(command)
  } finally {
    redis.disconnect()
  }
}
