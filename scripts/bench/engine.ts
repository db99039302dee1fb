import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, type TaskId, type UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import { reserve } from '@funmagic/ledger/reservations'
import { openCredentials } from '@funmagic/provider/credentials'
import { saveProvider } from '@funmagic/provider/providers'
import { createTestUser } from '@funmagic/session/testing'
import type { Tool } from '@funmagic/task/catalog'
import { recordTask } from '@funmagic/task/submission'
import { createTestTool } from '@funmagic/task/testing'
import { Child } from '../local/child.ts'
import { projectFolder } from '../local/folders.ts'
import { startGuardian } from '../local/guardian.ts'
import { readPorts, type PortName } from '../local/ports.ts'
import { newSecrets } from '../local/secrets.ts'
import { servicePart, type PlanContext } from '../local/service-plans.ts'
import { readSettings } from '../local/settings.ts'
import type { Part } from '../local/supervisor.ts'
import { until } from '../local/waiting.ts'
import { startRedis } from '../test/platform/platform.ts'
import type { Setting } from './setting.ts'

const bonusCredits = 1_000_000_000
const cost = 2
const providerAddress = 'http://127.0.0.1:9'
const hourMs = 3_600_000

/** A user who can pay, and the cookie of its session. */
export interface Payer {
  readonly userId: UserId
  readonly cookie: string
}

/** A database, a Redis and a tool for tasks, with the real services to start beside them. */
export interface Engine {
  readonly database: Database
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly tool: Tool
  /** What the worker is started with. */
  readonly workerEnvironment: Variables
  newPayers(count: number): Promise<Payer[]>
  /** Returns the address of the gateway. */
  startGateway(variables?: Variables): Promise<string>
  /** The worker's own code, but its provider has an answer after so long and nothing to give. */
  startIdleWorker(options: IdleWorkerOptions): Promise<Child>
  /** The worker as it is. */
  startWorker(variables?: Variables): Promise<Child>
}

type Variables = Readonly<Record<string, string>>

/** Its own, and for further ones those of services that the bench does not start. */
export type WorkerPort = Exclude<PortName, 'taskGateway'>

interface IdleWorkerOptions {
  readonly concurrency: number
  readonly latencyMs: number
  readonly port?: WorkerPort
  readonly variables?: Variables
}

export async function openEngine(
  setting: Setting,
  baseUrl: string = providerAddress,
): Promise<Engine> {
  const { database, url: databaseUrl } = await setting.openDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-bench-'))
  setting.onClose(() => rm(folder, { recursive: true, force: true }))
  const redis = await startRedis(folder)
  setting.onClose(() => redis.child.stop())
  // A bench that is killed leaves nothing behind.
  const guard = ({ pid }: Child) => {
    if (pid === undefined) return
    const guardian = startGuardian(folder, [{ pid, signal: 'KILL' }])
    setting.onClose(() => guardian[Symbol.dispose]())
  }
  guard(redis.child)
  const context = planContext(databaseUrl, redis.url)
  const start = async (part: Part) => {
    const child = new Child(part.plan, () => undefined)
    setting.onClose(() => child.stop())
    guard(child)
    await until(part.check ?? (async () => undefined), { deadlineMs: part.readyDeadlineMs })
    return child
  }
  const withVariables = (variables: Variables) => ({
    ...context,
    inherited: { ...context.inherited, ...variables },
  })
  const tool = await plantTool(database, { secretKey: context.secrets.secretKey, baseUrl })
  return {
    database,
    databaseUrl,
    redisUrl: redis.url,
    tool,
    workerEnvironment: servicePart(context, 'provider-worker').plan.environment,
    newPayers: count => createPayers(database, count),
    startGateway: async (variables = {}) => {
      await start(servicePart(withVariables(variables), 'task-gateway'))
      return `http://127.0.0.1:${context.ports.taskGateway}`
    },
    startWorker: async (variables = {}) =>
      start(servicePart(withVariables(variables), 'provider-worker')),
    startIdleWorker: async ({ concurrency, latencyMs, port = 'providerWorker', variables }) => {
      const settings = withVariables({
        ...variables,
        WORKER_CONCURRENCY: String(concurrency),
        BENCH_LATENCY_MS: String(latencyMs),
      })
      const ports = { ...context.ports, providerWorker: context.ports[port] }
      const part = servicePart({ ...settings, ports }, 'provider-worker')
      const program = join(projectFolder, 'scripts/bench/idle-worker.ts')
      return start({ ...part, plan: { ...part.plan, parameters: [program] } })
    },
  }
}

function planContext(databaseUrl: string, redisUrl: string): PlanContext {
  const { outside, inherited } = readSettings(process.env)
  if (outside.s3 === undefined) throw new Error('the bench has no object store')
  return {
    ports: readPorts({ FUNMAGIC_PORT_BASE: String(randomInt(20_000, 55_000)) }),
    stores: {
      databaseUrl,
      redis: { queue: `${redisUrl}/0`, cache: `${redisUrl}/1` },
      s3: outside.s3,
    },
    secrets: newSecrets(),
    inherited: { ...inherited, LOG_LEVEL: 'warn' },
  }
}

/** One that needs no picture, so that a task is nothing but a task. */
async function plantTool(
  database: Database,
  { secretKey, baseUrl }: { secretKey: string; baseUrl: string },
): Promise<Tool> {
  const providerId = newId()
  const credentials = await openCredentials(secretKey)
  const provider = { id: providerId, name: 'openai', type: 'openai', baseUrl } as const
  await saveProvider(database, credentials, { ...provider, apiKey: 'a-key' })
  return createTestTool(database, {
    slug: 'painter',
    cost,
    stepType: 'image-gen',
    providerId,
    providerModel: 'gpt-image-1.5',
  })
}

async function createPayers(database: Database, count: number): Promise<Payer[]> {
  const payers: Payer[] = []
  for (let place = 0; place < count; place++) {
    const { user, cookie } = await createTestUser(database, { secure: false })
    await inTransaction(database, tx => openAccount(tx, { userId: user.id, bonusCredits }))
    payers.push({ userId: user.id, cookie })
  }
  return payers
}

/** A user with an account and this id, who never signs in. */
export async function createPayer(database: Database, userId: UserId): Promise<void> {
  await inTransaction(database, async tx => {
    await tx.query(sql`
      INSERT INTO users (id, email, name) VALUES (${userId}, ${`${userId}@example.com`}, 'Ada')`)
    await openAccount(tx, { userId, bonusCredits })
  })
}

/** What a submission comes down to: the credits set aside and the task on record. */
export async function submitBare(
  database: Database,
  tool: Tool,
  userId: UserId,
  prompt = 'a lighthouse',
): Promise<TaskId> {
  const [step] = tool.config.steps
  if (step === undefined) throw new Error('the tool has no step')
  const task = { userId, tool, step, creditsCost: cost, input: { prompt } }
  const { task: recorded } = await inTransaction(database, tx =>
    recordTask(tx, { ...task, requestId: 'bench', timeoutMs: hourMs }, hold =>
      reserve(tx, {
        userId,
        referenceId: hold.taskId,
        amount: cost,
        deadlineAt: hold.deadlineAt,
        description: tool.title,
      }),
    ),
  )
  return recorded.id
}
