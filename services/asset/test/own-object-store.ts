import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { openS3ObjectStore } from '@funmagic/asset/s3-object-store'

interface Teardown {
  teardown(work: () => unknown): void
}

const server = join(import.meta.dirname, '../../../scripts/local/object-store-server.ts')
const buckets = { public: 'own-public', private: 'own-private', admin: 'own-admin' }
const startDeadlineMs = 30_000

/** An S3 server of this test alone, so that every key in it is known, and our client of it. */
export async function openOwnObjectStore(t: Teardown) {
  const folder = await mkdtemp(join(tmpdir(), 'own-s3-'))
  const port = await findPort()
  const child = spawn(process.execPath, [server], {
    env: {
      S3_FOLDER: folder,
      S3_PORT: String(port),
      S3_ACCESS_KEY: 'AKIDOWN',
      S3_SECRET_KEY: 'secret',
      S3_BUCKETS: Object.values(buckets).join(','),
    },
    stdio: 'ignore',
  })
  const endpoint = `http://127.0.0.1:${port}`
  const keys = { accessKey: 'AKIDOWN', secretKey: 'secret' }
  const store = openS3ObjectStore({ region: 'us-east-2', endpoint, buckets, ...keys })
  t.teardown(async () => {
    store.close()
    const ended = once(child, 'exit')
    child.kill()
    await ended
    await rm(folder, { recursive: true })
  })
  await untilAnswering(endpoint)
  return store
}

async function untilAnswering(endpoint: string): Promise<void> {
  const giveUpAtMs = performance.now() + startDeadlineMs
  while (performance.now() < giveUpAtMs) {
    try {
      await (await fetch(endpoint)).text()
      return
    } catch {
      // It does not listen yet.
      await wait(50)
    }
  }
  throw new Error('the object store did not start')
}

async function findPort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
