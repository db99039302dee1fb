import { sql } from '@funmagic/database/sql'
import t from 'tap'
import { sweep } from '../src/jobs/sweep.ts'
import { addUser, call, openAssetApp, paintPng, passHour, send, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)
const { database, memory, store, events, metrics, checks } = assetApp
const deps = { database, store, events, checks, cdn: undefined }
const patient = new AbortController().signal

async function readCounter(name: string, labels: Record<string, string>): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)?.get()
  const found = metric?.values.find(value =>
    Object.entries(labels).every(([label, text]) => value.labels[label] === text),
  )
  return found?.value ?? 0
}

t.test('the sweeper ends expired uploads and deletions', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  await send(assetApp, user, await paintPng())
  await call(assetApp, user, `/api/assets/${id}`, { method: 'DELETE' })
  t.equal(memory.places.length, 5, 'two sent, and a picture in three sizes')

  await database.query(sql`UPDATE uploads SET expires_at = now() - interval '2 hours'`)
  await passHour(assetApp)
  await sweep(deps, patient)

  t.same(memory.places, [])
  t.equal(await readCounter('asset_moves_swept_total', { outcome: 'finished' }), 1)
  t.equal(await readCounter('asset_uploads_total', { step: 'expired' }), 1)
})

t.test('a fault of one kind of work does not stop the other, and both are tried again', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  await call(assetApp, user, `/api/assets/${id}`, { method: 'DELETE' })
  await database.query(sql`UPDATE uploads SET expires_at = now() - interval '2 hours'`)
  await passHour(assetApp)
  store.failNext('remove', 'before')

  await sweep(deps, patient)
  const afterOne = memory.places.length
  await passHour(assetApp)
  await sweep(deps, patient)

  t.equal(afterOne, 3, 'the upload was cleared, the deletion failed')
  t.same(memory.places, [])
  t.equal(await readCounter('asset_moves_swept_total', { outcome: 'failed' }), 1)
})

t.test('a sweep that is told to stop leaves the rest for the next one', async t => {
  const user = await addUser(assetApp)
  await send(assetApp, user, await paintPng())
  await database.query(sql`UPDATE uploads SET expires_at = now() - interval '2 hours'`)

  await sweep(deps, AbortSignal.abort())
  t.equal(memory.places.length, 1)
  await sweep(deps, patient)

  t.same(memory.places, [])
})
