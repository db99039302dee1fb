import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { Child } from '../local/child.ts'
import { projectFolder } from '../local/folders.ts'
import { findFreePort } from '@funmagic/database/testing'
import { host } from '../local/ports.ts'
import { until } from '../local/waiting.ts'
import type { Setting } from './setting.ts'

export interface AssetService {
  readonly address: string
  readonly pid: number
}

const readyDeadlineMs = 30_000
const stopDeadlineMs = 27_000
// Sweeps would be measured with the requests; none is due within a run.
const neverMs = '600000'

/**
 * The asset service as a process, on the stores of the run and a database of the case. Variables
 * that are given win over all others.
 */
export async function startAssetService(
  setting: Setting,
  variables: Readonly<Record<string, string>>,
): Promise<AssetService> {
  const port = await findFreePort()
  const child = new Child(
    {
      name: 'asset',
      command: process.execPath,
      parameters: ['src/main.ts'],
      environment: { ...storeVariables(), ...serviceVariables(port), ...variables },
      folder: join(projectFolder, 'services/asset'),
      stopSignal: 'SIGTERM',
      stopDeadlineMs,
    },
    () => undefined,
  )
  setting.onClose(() => child.stop())
  const address = `http://${host}:${port}`
  const exited = new AbortController()
  void child.ended.then(() => exited.abort(new Error(child.lastLines().join('\n'))))
  await until(() => expectOk(`${address}/health`), {
    deadlineMs: readyDeadlineMs,
    signal: exited.signal,
  })
  if (child.pid === undefined) throw new Error('the asset service has no process')
  return { address, pid: child.pid }
}

function storeVariables(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => /^(S3_|REDIS_|PATH$)/.test(name))
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']))
}

function serviceVariables(port: number): Record<string, string> {
  return {
    HOST: host,
    PORT: String(port),
    DRAIN_MS: '0',
    LOG_LEVEL: 'info',
    RATE_LIMIT_PROFILE: 'development',
    COOKIE_SECURE: 'false',
    CDN_URL: 'https://cdn.funmagic.test',
    PRIVATE_CDN_URL: 'https://private-cdn.funmagic.test',
    CLOUDFRONT_KEY_PAIR_ID: 'K2BENCH',
    CLOUDFRONT_PRIVATE_KEY: makeSigningKey('rsa'),
    SWEEP_INTERVAL_MS: neverMs,
    RECONCILE_INTERVAL_MS: neverMs,
  }
}

async function expectOk(address: string): Promise<void> {
  const reply = await fetch(address)
  if (!reply.ok) throw new Error(`${address} answered ${reply.status}`)
}

/** A PEM, as it would be configured. */
export function makeSigningKey(kind: 'rsa' | 'ecdsa'): string {
  const { privateKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
