import { createHash } from 'node:crypto'
import type { ObjectStore } from '@funmagic/asset/object-store'
import { openS3ObjectStore, type S3Settings } from '@funmagic/asset/s3-object-store'
import { newId, type AssetId, type TaskId, type UserId } from '@funmagic/contract/ids'
import type { TaskInput } from '@funmagic/contract/task'
import type { ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import { reserve } from '@funmagic/ledger/reservations'
import { openCredentials } from '@funmagic/provider/credentials'
import { saveProvider } from '@funmagic/provider/providers'
import type { Tool } from '@funmagic/task/catalog'
import { recordTask } from '@funmagic/task/submission'
import { createTestTool } from '@funmagic/task/testing'
import type { Test } from 'tap'
import { openProviders, type RemoteProviders } from './remote-providers.ts'
import { samplePicture } from './sample-picture.ts'

export const secretKey = 'a secret of these tests, long enough'
export const cost = 5
export const bonusCredits = 1_000

/** What a worker finds when it starts: servers, providers with keys, tools, and a user. */
export interface World {
  readonly database: Database
  readonly databaseUrl: string
  readonly store: ObjectStore
  readonly providers: RemoteProviders
  readonly userId: UserId
  readonly assetId: AssetId
  readonly tools: Readonly<Record<'fal' | 'openai' | 'replicate' | 'tripo' | 'google', Tool>>
}

export async function createWorld(t: Test): Promise<World> {
  const { database, url: databaseUrl } = await createTestDatabase(t)
  const store = openS3ObjectStore(s3Settings())
  t.teardown(() => store.close())
  const providers = await openProviders()
  const userId = await createUser(database)
  const assetId = await createPicture({ database, store, userId })
  const tools = await createTools(database, providers)
  return { database, databaseUrl, store, providers, userId, assetId, tools }
}

export function environment(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run the tests with \`npm test\``)
  return value
}

function s3Settings(): S3Settings {
  return {
    region: environment('S3_REGION'),
    endpoint: environment('S3_ENDPOINT'),
    accessKey: environment('S3_ACCESS_KEY'),
    secretKey: environment('S3_SECRET_KEY'),
    buckets: {
      public: environment('S3_BUCKET_PUBLIC'),
      private: environment('S3_BUCKET_PRIVATE'),
      admin: environment('S3_BUCKET_ADMIN'),
    },
  }
}

async function createUser(database: Database): Promise<UserId> {
  const userId = newId()
  await inTransaction(database, async tx => {
    await tx.query(sql`
      INSERT INTO users (id, email, name) VALUES (${userId}, ${`${userId}@example.test`}, 'Ada')
    `)
    await openAccount(tx, { userId, bonusCredits })
  })
  return userId
}

async function createPicture(at: {
  database: Database
  store: ObjectStore
  userId: UserId
}): Promise<AssetId> {
  const { bytes, mimeType } = samplePicture
  const assetId = newId()
  const key = `private/${at.userId}/test/${assetId}.png`
  const headers = { mimeType, cacheControl: 'no-store', contentDisposition: 'inline' }
  await at.store.create({ bucket: 'private', key }, bytes, headers)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  await at.database.query(sql`
    INSERT INTO assets (id, user_id, module, bucket, storage_key, mime_type, size, sha256)
    VALUES (${assetId}, ${at.userId}, 'test', 'private', ${key}, ${mimeType}, ${bytes.length},
      ${sha256})
  `)
  return assetId
}

async function createTools(
  database: Database,
  providers: RemoteProviders,
): Promise<World['tools']> {
  const credentials = await openCredentials(secretKey)
  const save = async (type: keyof World['tools'], baseUrl: string) => {
    const id = newId()
    await saveProvider(database, credentials, { id, name: type, type, apiKey: 'a-key', baseUrl })
    return id
  }
  const version = '770898f053ca56571e8a49d71f27fc695b6d203e0691baa30d8fbb6954599f2b'
  return {
    fal: await createTestTool(database, {
      slug: 'background-remove',
      cost,
      stepType: 'background-remove',
      providerId: await save('fal', providers.falUrl),
      providerModel: 'fal-ai/bria/background/remove',
    }),
    openai: await createTestTool(database, {
      slug: 'painter',
      cost,
      stepType: 'image-gen',
      providerId: await save('openai', providers.openaiUrl),
      providerModel: 'gpt-image-1.5',
    }),
    replicate: await createTestTool(database, {
      slug: 'point-cloud',
      cost,
      stepType: 'point-cloud',
      providerId: await save('replicate', providers.replicateUrl),
      providerModel: `vufinder/vggt-1b:${version}`,
    }),
    tripo: await createTestTool(database, {
      slug: 'sculptor',
      cost,
      stepType: '3d-gen',
      providerId: await save('tripo', providers.tripoUrl),
      providerModel: 'tripo-v2',
    }),
    google: await createTestTool(database, {
      slug: 'sketcher',
      cost,
      stepType: 'image-gen',
      providerId: await save('google', providers.googleUrl),
      providerModel: 'gemini-2.5-flash-image',
    }),
  }
}

export interface Submitting {
  readonly tool?: keyof World['tools']
  readonly input?: TaskInput
  readonly timeoutSeconds?: number
  readonly providerId?: string
  readonly fallbacks?: ToolStep['fallbacks']
  readonly parentTaskId?: TaskId
}

/** Sets the credits aside and records the task with its wake-up, as the gateway does. */
export async function submitTask(world: World, submitting: Submitting = {}): Promise<TaskId> {
  const { userId, database } = world
  const tool = world.tools[submitting.tool ?? 'fal']
  const [step] = tool.config.steps
  if (step === undefined) throw new Error('the tool has no step')
  const { timeoutSeconds, fallbacks, providerId = step.providerId } = submitting
  const time = timeoutSeconds === undefined ? {} : { timeoutSeconds }
  const isPainter = submitting.tool === 'openai' || submitting.tool === 'google'
  const ownPicture = submitting.parentTaskId === undefined ? { assetId: world.assetId } : {}
  const input = isPainter ? { prompt: 'a lighthouse' } : ownPicture
  const task = {
    userId,
    tool,
    step: { ...step, ...time, providerId, ...(fallbacks && { fallbacks }) },
    creditsCost: cost,
    input: submitting.input ?? input,
    requestId: `request-${newId()}`,
    timeoutMs: 120_000,
    ...followUp(submitting),
  }
  const submission = await inTransaction(database, tx =>
    recordTask(tx, task, ({ taskId: referenceId, deadlineAt }) =>
      reserve(tx, { userId, referenceId, amount: cost, deadlineAt }),
    ),
  )
  return submission.task.id
}

/** A child works on the picture of its parent. */
function followUp({ parentTaskId }: Submitting) {
  return parentTaskId === undefined ? {} : { parentTaskId, inheritsPicture: true }
}
