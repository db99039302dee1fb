import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRedis } from '@funmagic/runtime/redis'
import type { Test } from 'tap'
import { findFreePort } from '@funmagic/database/testing'
import { until } from './until.ts'

/** A Redis server of this test alone: worker processes use the queue under its own name. */
export async function startOwnRedis(t: Test): Promise<string> {
  const port = await findFreePort()
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-redis-'))
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const server = spawn(process.env['REDIS_SERVER_BIN'] ?? 'redis-server', settings, {
    stdio: 'ignore',
  })
  t.teardown(async () => {
    server.kill('SIGKILL')
    await once(server, 'exit')
    await rm(folder, { recursive: true, force: true })
  })
  const url = `redis://127.0.0.1:${port}`
  const redis = openRedis({ url, role: 'cache', name: 'probe', onError: () => undefined })
  await until(async () => (await redis.ping().catch(() => '')) === 'PONG')
  redis.disconnect()
  return url
}
