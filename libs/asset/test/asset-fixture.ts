import { createHash } from 'node:crypto'
import t from 'tap'
import { newId, type TaskId, type UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { insertAsset } from '../src/asset-rows.ts'
import { derivativePresets, type Asset } from '../src/asset.ts'
import { derivativeKey, freshPrivatePlace, headersFor } from '../src/object-keys.ts'
import type { ObjectStore } from '../src/object-store.ts'

export interface Fixture {
  readonly database: Database
  readonly userId: UserId
  readonly otherUserId: UserId
}

let opened: Promise<Database> | undefined

/** New users in the database of this test file; what earlier tests left to sweep is done with. */
export async function openFixture(): Promise<Fixture> {
  opened ??= createTestDatabase(t).then(({ database }) => database)
  const database = await opened
  await database.query(sql`UPDATE asset_moves SET state = 'done'`)
  await database.query(sql`UPDATE asset_revocations SET refused_at = now()`)
  await database.query(sql`
    UPDATE uploads SET cleared_at = now(),
      state = CASE state WHEN 'completed' THEN state ELSE 'expired' END
  `)
  const userId = await createUser(database)
  const otherUserId = await createUser(database)
  return { database, userId, otherUserId }
}

export async function createUser(database: Database): Promise<UserId> {
  const id = newId()
  await database.query(
    sql`INSERT INTO users (id, email, name) VALUES (${id}, ${`${id}@example.test`}, 'Test')`,
  )
  return id
}

/** A task that stands alone: what it points at belongs to other libraries and is left out. */
export async function createTask(database: Database, userId: UserId): Promise<TaskId> {
  const id = newId()
  await inTransaction(database, async tx => {
    await tx.query(sql`SET LOCAL session_replication_role = replica`)
    await tx.query(sql`
      INSERT INTO tasks (id, user_id, tool_id, tool_slug, tool_version, step, current_step_id,
        reservation_id, credits_cost, deadline_at, request_id)
      VALUES (${id}, ${userId}, ${newId()}, 'test', 1, '{}', 'only', ${newId()}, 1, now(), 'test')
    `)
  })
  return id
}

/** A private asset whose bytes are in the store. */
export async function createAsset(
  database: Database,
  store: ObjectStore,
  owner: { userId: UserId; module?: string; task?: { id: TaskId; output: number } },
): Promise<Asset> {
  const { userId, module = 'gallery', task } = owner
  const id = newId()
  const bytes = Buffer.from(`bytes of ${id}`)
  const place = freshPrivatePlace({ userId, module, mimeType: 'image/png' })
  await store.create(place, bytes, headersFor(place, 'image/png'))
  const asset = await inTransaction(database, tx =>
    insertAsset(tx, {
      id,
      userId,
      module,
      bucket: place.bucket,
      storageKey: place.key,
      filename: null,
      mimeType: 'image/png',
      sizeBytes: bytes.length,
      sha256: sha256(bytes),
      width: 8,
      height: 8,
      derivatives: [],
      thumbhash: null,
      taskId: task?.id ?? null,
      taskOutput: task?.output ?? null,
    }),
  )
  if (asset === undefined) throw new Error('the task has an asset for this output already')
  return asset
}

/** Two smaller pictures beside an asset; what they show does not matter here. */
export async function addDerivatives(
  { database, store }: { database: Database; store: ObjectStore },
  asset: Asset,
): Promise<Asset> {
  for (const preset of derivativePresets) {
    const place = { bucket: asset.bucket, key: derivativeKey(asset.storageKey, preset) }
    const bytes = Buffer.from(`${preset} of ${asset.id}`)
    await store.create(place, bytes, headersFor(place, 'image/webp'))
  }
  await database.query(sql`
    UPDATE assets SET derivatives = ${[...derivativePresets]}, derivatives_due_at = NULL
    WHERE id = ${asset.id}
  `)
  return { ...asset, derivatives: derivativePresets }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Never aborts. */
export const patient = new AbortController().signal
