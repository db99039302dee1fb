import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { createAssetLinks } from '@funmagic/asset/resolve-url'
import { newId, type TaskId, type UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import { openCredentials } from '@funmagic/provider/credentials'
import { findProvider, saveProvider } from '@funmagic/provider/providers'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits, type RateLimitProfile } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { createTestUser, type TestUser } from '@funmagic/session/testing'
import type { Tool } from '@funmagic/task/catalog'
import { ProgressSubscriber } from '@funmagic/task/progress-subscriber'
import { readSpend } from '@funmagic/task/spend'
import { createTestTool, type TestTool } from '@funmagic/task/testing'
import { createAdmission, type AdmissionLimits } from '../src/admission.ts'
import { createAnnouncer } from '../src/announcer.ts'
import { buildApp } from '../src/app.ts'
import { createEvents } from '../src/events.ts'
import { createAvailability } from '../src/provider-availability.ts'
import { createVerifiers, type WebhookSettings } from '../src/provider-webhooks.ts'
import { createQuotes } from '../src/quotes.ts'
import { TaskWaits } from '../src/task-waits.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

export const cdnUrl = 'https://cdn.funmagic.test'
export const privateCdnUrl = 'https://private-cdn.funmagic.test'

export type Gateway = Awaited<ReturnType<typeof openGateway>>

/** The service on a database of its own, without its jobs; `nudges` counts the dispatcher's. */
export async function openGateway(
  t: Teardown,
  profile: RateLimitProfile = 'development',
  webhookSettings: WebhookSettings = {},
  limits: Partial<AdmissionLimits> = {},
) {
  const { database, url: databaseUrl } = await createTestDatabase(t)
  const redis = openCache()
  const { metrics, logger, events } = openEvents()
  const admission = createAdmission({ database, limits: { ...admissionLimits, ...limits } })
  const announcer = createAnnouncer({ database, redis, events })
  const nudges = { count: 0 }
  const dispatcher = { nudge: () => void (nudges.count += 1) }
  const clock = { aheadMs: 0 }
  const forgotten: string[] = []
  const { waits, listening } = openWaits(database)
  const { app } = await buildApp({
    server: { logger, metrics, http: httpSettings, health: {} },
    session: {
      sessions: createSessions({ database, redis }),
      cookie: sessionCookie({ secure: true }),
    },
    limits: createRateLimits({ database, redis, profile }),
    database,
    orders: {
      links: openLinks(),
      quotes: createQuotes('a secret of this test only', () => Date.now() + clock.aheadMs),
      timeouts: { stepDefaultSeconds: 300, queueAllowanceSeconds: 600 },
      availability: openAvailability(database, redis),
      providerOf: id => findProvider(database, id),
    },
    admin: {
      credentials: await openCredentials('a secret of this test only'),
      cdnUrl,
      simulatorsUrl: 'http://127.0.0.1:9',
      forgetLimits: async (scope, providerId) => void forgotten.push(`${scope} ${providerId}`),
    },
    inbox: { redis, verifiers: createVerifiers(webhookSettings) },
    submission: { admission, dispatcher, announcer, events, waits },
  })
  t.teardown(async () => {
    await app.close()
    redis.disconnect()
    listening.disconnect()
  })
  return {
    app,
    database,
    databaseUrl,
    redis,
    metrics,
    events,
    announcer,
    nudges,
    clock,
    forgotten,
    waits,
    tools: await addTools(database),
  }
}

function openEvents() {
  const metrics = createMetrics('task-gateway')
  const logger = createLogger('task-gateway', 'silent')
  return { metrics, logger, events: createEvents(metrics, logger) }
}

function openCache() {
  return openRedis({
    url: process.env['REDIS_CACHE_URL'] ?? '',
    role: 'cache',
    name: 'task-gateway-test',
    onError: () => undefined,
  })
}

function openLinks() {
  const keyPairId = 'K2TEST'
  const privateKey = newPrivateKey()
  return createAssetLinks({ cdnUrl, privateCdnUrl, keyPairId, privateKey, windowSeconds: 300 })
}

function openAvailability(database: Database, redis: ReturnType<typeof openCache>) {
  const spendOf = (providerId: string) => readSpend(database, providerId)
  return createAvailability({ database, redis, spendOf, refuseAfterMs, onError })
}

const refuseAfterMs = 60_000
const onError = () => undefined

/** As main.ts opens them, but for three requests at once. */
function openWaits(database: Database) {
  const listening = openRedis({
    url: process.env['REDIS_CACHE_URL'] ?? '',
    role: 'subscriber',
    name: 'task-gateway-test-waits',
    onError: () => undefined,
  })
  const waitsMax = 3
  const onError = () => undefined
  const subscriber = new ProgressSubscriber({ redis: listening, watchesMax: waitsMax, onError })
  return { waits: new TaskWaits({ database, subscriber, waitsMax, onError }), listening }
}

const admissionLimits = { waitingMax: 10_000, waitMaxMs: 600_000, openPerUserMax: 1_000 }

const httpSettings = {
  host: '127.0.0.1',
  port: 0,
  allowedOrigins: [],
  trustedProxies: ['127.0.0.0/8'],
  drainMs: 0,
}

export function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** One tool that needs a picture, and one whose two steps need words. */
async function addTools(database: Database) {
  const credentials = await openCredentials('a secret of this test only')
  const fal = { id: newId(), name: 'fal', type: 'fal', apiKey: 'key', baseUrl: null } as const
  const openai = { ...fal, id: newId(), name: 'openai', type: 'openai' } as const
  await saveProvider(database, credentials, fal)
  await saveProvider(database, credentials, openai)

  const addTool = (tool: TestTool): Promise<Tool> =>
    createTestTool(database, {
      stepType: 'background-remove',
      providerId: fal.id,
      providerModel: 'fal-ai/bria/background/remove',
      ...tool,
    })
  return {
    addTool,
    remover: await addTool({ slug: 'background-remove', cost: 5 }),
    painter: await addTool({
      slug: 'painter',
      cost: 20,
      stepIds: ['sketch', 'finish'],
      stepType: 'image-gen',
      providerId: openai.id,
      providerModel: 'gpt-image-1.5',
    }),
  }
}

/** A signed-in user whose account holds these credits. */
export async function addUser({ database }: Gateway, credits = 100): Promise<TestUser> {
  const testUser = await createTestUser(database)
  const account = { userId: testUser.user.id, bonusCredits: credits }
  await inTransaction(database, tx => openAccount(tx, account))
  return testUser
}

export interface Posting {
  readonly cookie: string
  readonly key?: string
}

export function post(
  { app }: Gateway,
  url: string,
  { cookie, key, body }: Posting & { body?: unknown },
) {
  return app.inject({
    method: 'POST',
    url,
    headers: {
      cookie,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body === undefined
      ? {}
      : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
}

export function submit(gateway: Gateway, body: unknown, posting: Posting) {
  return post(gateway, '/api/tasks', { ...posting, body })
}

/** A pending task of the user's; the painter's first step needs no picture. */
export async function submitted(gateway: Gateway, { cookie }: TestUser): Promise<TaskId> {
  const body = { toolSlug: 'painter', input: { prompt: 'a cat' } }
  const response = await submit(gateway, body, { cookie })
  if (response.statusCode !== 201) throw new Error(`not submitted: ${response.body}`)
  return response.json().task.id
}

export function get({ app }: Gateway, url: string, { cookie }: Posting) {
  return app.inject({ url, headers: { cookie } })
}

export function keyFor(userId: UserId, name: string = randomUUID()): string {
  return `private/${userId}/upload/${name}.png`
}

/** Waits until the condition holds, at most ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (performance.now() < deadline) {
    if (await condition()) return
    await wait(10)
  }
  throw new Error(`still not so after 10 s: ${condition.toString()}`)
}
