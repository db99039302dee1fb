import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cdnUrl, newPrivateKey, privateCdnUrl } from './gateway-app.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

export interface GatewayProcess {
  readonly url: string
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

export interface Place {
  readonly databaseUrl: string
  readonly queueUrl: string
  readonly failpoints?: string
}

/**
 * The service as it is started anywhere, on stores of the test's; resolves when it listens, or has
 * ended before.
 */
export async function startGateway(t: Teardown, place: Place): Promise<GatewayProcess> {
  const program = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const child = spawn(process.execPath, [program], {
    env: environmentOf(place),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit').then(([code, signal]) =>
    typeof code === 'number' ? code : String(signal),
  )
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const { promise: listening, resolve } = Promise.withResolvers<string>()
  createInterface(child.stdout).on('line', line => {
    const address = /listening at (http:[^"\s]+)/.exec(line)?.[1]
    if (address !== undefined) resolve(address)
  })
  const url = await Promise.race([listening, ended.then(() => '')])
  return { url, ended }
}

function environmentOf({ databaseUrl, queueUrl, failpoints = '' }: Place) {
  return {
    PATH: process.env['PATH'],
    PORT: '0',
    RATE_LIMIT_PROFILE: 'development',
    DATABASE_URL: databaseUrl,
    REDIS_CACHE_URL: process.env['REDIS_CACHE_URL'],
    REDIS_QUEUE_URL: queueUrl,
    CDN_URL: cdnUrl,
    PRIVATE_CDN_URL: privateCdnUrl,
    CLOUDFRONT_KEY_PAIR_ID: 'K2TEST',
    CLOUDFRONT_PRIVATE_KEY: newPrivateKey(),
    SECRET_KEY: 'a secret of this test only, long enough',
    FAILPOINTS: failpoints,
  }
}
