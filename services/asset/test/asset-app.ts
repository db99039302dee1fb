import { generateKeyPairSync } from 'node:crypto'
import { createAssetLinks } from '@funmagic/asset/resolve-url'
import type { ObjectStore } from '@funmagic/asset/object-store'
import { Slots } from '@funmagic/asset/slots'
import { makeFragile, openMemoryObjectStore, paint } from '@funmagic/asset/testing'
import type { AssetView, UploadTicket } from '@funmagic/contract/asset'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { createTestUser, type TestUser } from '@funmagic/session/testing'
import { buildApp } from '../src/app.ts'
import { createEvents } from '../src/events.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

export type AssetApp = Awaited<ReturnType<typeof openAssetApp>>

export const cdnUrl = 'https://cdn.funmagic.test'
export const privateCdnUrl = 'https://private-cdn.funmagic.test'

/** The service on a database of its own, with its objects in memory unless a store is given. */
export async function openAssetApp(
  t: Teardown,
  { objectStore }: { objectStore?: ObjectStore } = {},
) {
  const { database } = await createTestDatabase(t)
  const redis = openRedis({
    url: process.env['REDIS_CACHE_URL'] ?? '',
    role: 'cache',
    name: 'asset-test',
    onError: () => undefined,
  })
  const memory = openMemoryObjectStore()
  const store = makeFragile(objectStore ?? memory)
  const metrics = createMetrics('asset')
  const logger = createLogger('asset', 'silent')
  const events = createEvents(metrics, logger)
  const checks = new Slots({ runningMax: 2, waitingMax: 8 })
  // Addresses are made at one moment, so that no window ends between two of a test.
  const openedAtMs = Date.now()
  const { app } = await buildApp({
    server: { logger, metrics, http: httpSettings, health: { storage: () => store.check() } },
    session: {
      sessions: createSessions({ database, redis }),
      cookie: sessionCookie({ secure: true }),
    },
    limits: createRateLimits({ database, redis, profile: 'development' }),
    files: { database, store, cdn: undefined, checks },
    quota: { bytesPerUser: 10_000_000, openTicketsMax: 5 },
    links: createAssetLinks({ ...linkSettings, store }, () => openedAtMs),
    gallery: {
      cookieScope: { domain: 'funmagic.test', isSecure: true },
      downloads: new Slots({ runningMax: 2, waitingMax: 0 }),
    },
    events,
  })
  t.teardown(async () => {
    await app.close()
    redis.disconnect()
  })
  return { app, database, memory, store, events, metrics, checks }
}

const httpSettings = {
  host: '127.0.0.1',
  port: 0,
  allowedOrigins: [],
  trustedProxies: ['127.0.0.0/8'],
  drainMs: 0,
}

const linkSettings = {
  cdnUrl,
  privateCdnUrl,
  keyPairId: 'K1',
  privateKey: makeSigningKey(),
  windowSeconds: 300,
}

export function makeSigningKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

export function addUser({ database }: AssetApp): Promise<TestUser> {
  return createTestUser(database)
}

interface Call {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly body?: unknown
  readonly key?: string
}

/** Calls the API with the user's session, or without one. */
export function call({ app }: AssetApp, who: TestUser | undefined, url: string, how: Call = {}) {
  return app.inject({
    method: how.method ?? 'GET',
    url,
    headers: {
      ...(who === undefined ? {} : { cookie: who.cookie }),
      ...(how.key === undefined ? {} : { 'idempotency-key': how.key }),
      ...(how.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(how.body === undefined ? {} : { payload: JSON.stringify(how.body) }),
  })
}

export const ticketBody = {
  filename: 'cat.png',
  mimeType: 'image/png',
  sizeBytes: 100,
  module: 'gallery',
}

export function paintPng(): Promise<Uint8Array> {
  return paint('image/png', { width: 24, height: 12 })
}

/** A ticket whose bytes have been sent. */
export async function send(
  assetApp: AssetApp,
  user: TestUser,
  bytes: Uint8Array,
): Promise<UploadTicket> {
  const body = { ...ticketBody, sizeBytes: bytes.length }
  const response = await call(assetApp, user, '/api/assets/uploads', { method: 'POST', body })
  const ticket = response.json<UploadTicket>()
  const status = await assetApp.memory.send(ticket.upload, bytes)
  if (status !== 200) throw new Error(`not sent: ${status}`)
  return ticket
}

/** A completed upload. */
export async function upload(assetApp: AssetApp, user: TestUser): Promise<AssetView> {
  const { uploadId } = await send(assetApp, user, await paintPng())
  const url = `/api/assets/uploads/${uploadId}/complete`
  const response = await call(assetApp, user, url, { method: 'POST' })
  if (response.statusCode !== 201) throw new Error(`not completed: ${response.body}`)
  return response.json<AssetView>()
}

/** Lets an hour pass for the moves: every lease and every signed address is over. */
export async function passHour({ database }: AssetApp): Promise<void> {
  await database.query(sql`
    UPDATE asset_moves SET next_attempt_at = next_attempt_at - interval '1 hour',
      delete_source_after = delete_source_after - interval '1 hour'
    WHERE state <> 'done'
  `)
}
