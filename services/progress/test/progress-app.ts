import { once } from 'node:events'
import { newId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import { confirm, reserve } from '@funmagic/ledger/reservations'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { createTestUser, type TestUser } from '@funmagic/session/testing'
import { claimTask, completeTask } from '@funmagic/task/lifecycle'
import { recordTask } from '@funmagic/task/submission'
import { createTestTool } from '@funmagic/task/testing'
import { createParser } from 'eventsource-parser'
import { buildApp } from '../src/app.ts'
import { Channels } from '../src/channels.ts'
import { createEvents } from '../src/events.ts'
import { OpenStreams } from '../src/open-streams.ts'
import { SafetyPoll } from '../src/safety-poll.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

/** The service on a real port, with a database of its own and the Redis of the test run. */
export async function setup(t: Teardown, limits: { perUserMax?: number } = {}) {
  const { database } = await createTestDatabase(t)
  const onError = () => undefined
  const url = process.env['REDIS_CACHE_URL'] ?? ''
  const redis = openRedis({ url, role: 'cache', name: 'progress-test', onError })
  const listening = openRedis({ url, role: 'subscriber', name: 'progress-test-sub', onError })
  const logger = createLogger('progress', 'silent')
  const metrics = createMetrics('progress')
  const channels = new Channels({ redis: listening, watchesMax: 1_000, onError })
  const events = createEvents({ logger, metrics, channelCount: () => channels.count })
  const heartbeatMs = 200
  const streams = new OpenStreams({ perUserMax: 10, perProcessMax: 100, heartbeatMs, ...limits })
  const safetyPoll = new SafetyPoll({ database, intervalMs: 100, onError })
  const sessions = createSessions({ database, redis })
  const { app } = await buildApp({
    server: {
      logger,
      metrics,
      http: { host: '127.0.0.1', port: 0, allowedOrigins: [], trustedProxies: [], drainMs: 0 },
      health: {},
    },
    cookie: sessionCookie({ secure: true }),
    limits: createRateLimits({
      database,
      redis,
      profile: 'development',
      lifetimePurchasedOf: async () => 0,
      onError,
    }),
    streaming: {
      database,
      redis,
      sessions,
      channels,
      streams,
      safetyPoll,
      sessionCheckMs: 100,
      events,
    },
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    await app.close()
    safetyPoll.close()
    redis.disconnect()
    listening.disconnect()
  })
  return { address, app, database, redis, listening, sessions, streams, channels }
}

/** A user with credits and one pending task. */
export async function createTask(database: Database, owner?: TestUser) {
  const user = owner ?? (await createTestUser(database))
  const tool = await createTestTool(database)
  const [step] = tool.config.steps
  if (step === undefined) throw new Error('the test tool has no step')
  const userId = user.user.id
  const task = await inTransaction(database, async tx => {
    await openAccount(tx, { userId, bonusCredits: 10_000 })
    const submission = await recordTask(
      tx,
      { userId, tool, step, creditsCost: 5, input: {}, requestId: newId(), timeoutMs: 60_000 },
      ({ taskId, deadlineAt }) =>
        reserve(tx, { userId, referenceId: taskId, amount: 5, deadlineAt }),
    )
    return submission.task
  })
  return { user, task, to: { taskId: task.id, userId } }
}

/** Completes the task in Postgres and tells nobody, as a worker that dies right after. */
export async function completeSilently(database: Database, taskId: string): Promise<void> {
  const claimed = await claimTask(database, { taskId, leaseMs: 30_000 })
  if (claimed === undefined) throw new Error('the task could not be claimed')
  await inTransaction(database, async tx => {
    const { attempt } = claimed
    const finished = await completeTask(tx, { taskId, attempt, output: { assetIds: [] } })
    if (finished === undefined) return
    await confirm(tx, finished.reservationId, finished.creditsCost)
  })
}

export interface ReceivedFrame {
  readonly id: string
  readonly type: string
  readonly data: Record<string, unknown>
}

/** A client of a stream: what it has received, and when it ends. */
export function openStream(
  t: Teardown,
  url: string,
  headers: Record<string, string>,
): {
  frames: ReceivedFrame[]
  response: Promise<Response>
  ended: Promise<void>
  cut: () => void
  until: (found: (frames: readonly ReceivedFrame[]) => boolean) => Promise<void>
} {
  const frames: ReceivedFrame[] = []
  const changes = new EventTarget()
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      frames.push({ id: id ?? '', type: event ?? '', data: JSON.parse(data) })
      changes.dispatchEvent(new Event('frame'))
    },
  })
  const response = fetch(url, { headers, signal: abort.signal })
  const ended = (async () => {
    const decoder = new TextDecoder()
    try {
      const { body } = await response
      for await (const chunk of body ?? []) parser.feed(decoder.decode(chunk, { stream: true }))
    } catch (error) {
      // A stream that this client cut ends with an AbortError.
      if (!abort.signal.aborted) throw error
    }
  })()
  const until = async (found: (frames: readonly ReceivedFrame[]) => boolean) => {
    const signal = AbortSignal.timeout(20_000)
    while (!found(frames)) await once(changes, 'frame', { signal })
  }
  return { frames, response, ended, cut: () => abort.abort(), until }
}
