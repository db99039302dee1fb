import fc from 'fast-check'
import t from 'tap'
import { newId, type AssetId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import type { Sql } from '@funmagic/database/sql'
import { sql } from '@funmagic/database/sql'
import { editAsset, findAssets, findDeleted, listAssets } from '../src/gallery.ts'
import type { GalleryFilter } from '../src/gallery.ts'
import { deleteAsset, publishAsset } from '../src/publishing.ts'
import { openMemoryObjectStore } from '../src/testing.ts'
import { createAsset, createTask, openFixture, patient } from './asset-fixture.ts'

async function setup() {
  const fixture = await openFixture()
  const { database, userId } = fixture
  const store = openMemoryObjectStore()
  const deps = { database, store, cdn: undefined }
  const create = (owner: { userId?: string; module?: string } = {}) =>
    createAsset(database, store, { userId, ...owner })
  const list = async (filter: GalleryFilter = {}) => {
    const gallery = { userId, filter }
    const { items } = await listAssets(database, gallery, { limit: 100, cursor: undefined })
    return items.map(({ id }) => id)
  }
  return { ...fixture, store, deps, create, list }
}

t.test('a search that ends a page early goes on after it, and shows each match once', async t => {
  const { database, userId, create } = await setup()
  const walk = fc.record({
    matches: fc.array(fc.boolean(), { maxLength: 8 }),
    limit: fc.integer({ min: 1, max: 4 }),
    searchedMax: fc.integer({ min: 1, max: 5 }),
  })

  await fc.assert(
    fc.asyncProperty(walk, async ({ matches, limit, searchedMax }) => {
      await database.query(sql`UPDATE assets SET deleted_at = now() WHERE deleted_at IS NULL`)
      const expected: AssetId[] = []
      for (const isMatch of matches) {
        const { id } = await create()
        if (isMatch) expected.unshift(id)
        await editAsset(database, { userId, assetId: id }, { tags: [isMatch ? 'cat' : 'dog'] })
      }
      const gallery = { userId, filter: { tags: ['cat'] } }
      const seen: AssetId[] = []
      let pages = 0
      let cursor: string | undefined
      do {
        const page = await listAssets(database, gallery, { limit, cursor, searchedMax })
        seen.push(...page.items.map(({ id }) => id))
        // Something new comes while the pages are turned: it is not theirs.
        if (pages === 0) await create()
        pages++
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined && pages <= matches.length + 1)

      return cursor === undefined && seen.join() === expected.join()
    }),
    { numRuns: 25, verbose: true },
  )
  t.pass('25 searches')
})

t.test('a walk through the pages shows what was there throughout, each once', async t => {
  const { database, userId, deps, create } = await setup()
  const walk = fc.record({
    size: fc.integer({ min: 0, max: 9 }),
    limit: fc.integer({ min: 1, max: 4 }),
    changes: fc.array(fc.oneof(fc.constant('add'), fc.nat({ max: 8 })), { maxLength: 6 }),
  })
  let walks = 0

  await fc.assert(
    fc.asyncProperty(walk, async ({ size, limit, changes }) => {
      await database.query(sql`UPDATE assets SET deleted_at = now() WHERE deleted_at IS NULL`)
      const ids: AssetId[] = []
      for (let made = 0; made < size; made++) ids.push((await create()).id)
      const removed = new Set<AssetId>()
      const seen: AssetId[] = []
      const pending = [...changes]
      let cursor: string | undefined
      do {
        const page = await listAssets(database, { userId, filter: {} }, { limit, cursor })
        seen.push(...page.items.map(({ id }) => id))
        const change = pending.shift()
        if (change === 'add') await create()
        const victim = typeof change === 'number' ? ids[change] : undefined
        if (victim !== undefined && !removed.has(victim)) {
          removed.add(victim)
          await deleteAsset(deps, { userId, assetId: victim }, patient)
        }
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)

      const expected = ids
        .filter(id => !removed.has(id))
        .toSorted()
        .toReversed()
      const shown = seen.filter(id => expected.includes(id))
      walks++
      return (
        new Set(seen).size === seen.length && JSON.stringify(shown) === JSON.stringify(expected)
      )
    }),
    { numRuns: 100 },
  )
  t.equal(walks, 100)
})

t.test('a list can be narrowed, and every filter must hold', async t => {
  const { database, store, userId, deps, create, list } = await setup()
  const taskId = await createTask(database, userId)
  const avatar = await create({ module: 'avatar' })
  const shared = await create()
  const output = await createAsset(database, store, { userId, task: { id: taskId, output: 0 } })
  await publishAsset(deps, { userId, assetId: shared.id }, patient)
  await editAsset(database, { userId, assetId: output.id }, { tags: ['Cats', 'studio'] })
  const { createdAt } = shared

  t.same(await list({ module: 'avatar' }), [avatar.id])
  t.same(await list({ visibility: 'public' }), [shared.id])
  t.same(await list({ visibility: 'private' }), [output.id, avatar.id])
  t.same(await list({ taskId }), [output.id])
  t.same(await list({ taskId, module: 'avatar' }), [])
  t.same(await list({ kind: 'image' }), [output.id, shared.id, avatar.id])
  t.same(await list({ kind: 'model' }), [])
  t.same(await list({ tags: ['CATS'] }), [output.id])
  t.same(await list({ tags: ['cats', 'dogs'] }), [])
  const [from, to] = [createdAt.toISOString(), new Date(createdAt.getTime() + 1).toISOString()]
  t.ok((await list({ createdFrom: from, createdTo: to })).includes(shared.id))
  t.same(await list({ createdTo: '2026-01-01T00:00:00Z' }), [])
})

t.test('what is searched for is found as it is written, without wildcards', async t => {
  const { database, userId, create, list } = await setup()
  const names = ['100% cat.png', 'under_score.png', String.raw`back\slash.png`, 'Ünï🐈.png', "o'k"]
  const ids: Record<string, AssetId> = {}
  for (const filename of names) {
    const { id } = await create()
    // Folders are cut off a name that is given, so this one is put there.
    await database.query(sql`UPDATE assets SET filename = ${filename} WHERE id = ${id}`)
    ids[filename] = id
  }
  const tagged = await create()
  await editAsset(database, { userId, assetId: tagged.id }, { tags: ['snow_white', '50%'] })

  t.same(await list({ q: '%' }), [tagged.id, ids['100% cat.png']])
  t.same(await list({ q: '_' }), [tagged.id, ids['under_score.png']])
  t.same(await list({ q: '\\' }), [ids[String.raw`back\slash.png`]])
  t.same(await list({ q: 'u\u0308ni\u0308🐈' }), [ids['Ünï🐈.png']])
  t.same(await list({ q: "'" }), [ids["o'k"]])
  t.same(await list({ q: 'SNOW' }), [tagged.id])
  t.same(await list({ q: '*' }), [])
  t.same(await list({ q: 'a'.repeat(200) }), [])
})

t.test('a cursor belongs to its user and its filter, and to nothing else', async t => {
  const { database, userId, otherUserId, create } = await setup()
  for (let made = 0; made < 3; made++) await create()
  const filter = { module: 'gallery' }
  const page = (gallery: { userId: string; filter: GalleryFilter }, cursor: string) =>
    listAssets(database, gallery, { limit: 1, cursor })
  const first = await listAssets(database, { userId, filter }, { limit: 1, cursor: undefined })
  const cursor = first.nextCursor ?? ''

  t.equal((await page({ userId, filter }, cursor)).items.length, 1)
  const [id = '', digest = ''] = cursor.split('.')
  const forged = [`${newId()}.${digest}`, id, `${id}.`, `${cursor}.x`, cursor.slice(0, -1), '', '.']
  for (const text of [...forged, 'x'.repeat(10_000)]) {
    await t.rejects(page({ userId, filter }, text), { code: 'INVALID_CURSOR' }, text)
  }
  for (const other of [
    { userId: otherUserId, filter },
    { userId, filter: {} },
    { userId, filter: { ...filter, q: 'x' } },
  ]) {
    await t.rejects(page(other, cursor), { code: 'INVALID_CURSOR' })
  }
})

t.test('many assets are found at once, in order, and only the own ones', async t => {
  const { database, userId, otherUserId, deps, create } = await setup()
  const [a, b, foreign] = [await create(), await create(), await create({ userId: otherUserId })]
  const gone = await create()
  await deleteAsset(deps, { userId, assetId: gone.id }, patient)
  const nobody = newId()
  const ids = [b.id, foreign.id, a.id, nobody, gone.id]

  const { found, missing } = await findAssets(database, { userId, ids })

  t.same(
    found.map(({ id }) => id),
    [b.id, a.id],
  )
  t.same(missing, [foreign.id, nobody, gone.id])
  t.same([...(await findDeleted(database, { userId, ids }))], [gone.id])
})

t.test('the statements of a list do not depend on what is in it', async t => {
  const { database, userId, create } = await setup()
  const counts: number[] = []
  for (const limit of [1, 100]) {
    let statements = 0
    const counting: Queryable = {
      query: <Row extends object>(statement: Sql) => {
        statements++
        return database.query<Row>(statement)
      },
    }
    for (let made = 0; made < 5; made++) await create()
    const filter = { q: 'a', tags: ['b'] }
    await listAssets(counting, { userId, filter }, { limit, cursor: undefined })
    await findAssets(counting, { userId, ids: Array.from({ length: limit }, () => newId()) })
    counts.push(statements)
  }

  t.same(counts, [2, 2])
})

t.test('a name and tags are cleaned, and change nothing else', async t => {
  const { database, userId, otherUserId, create } = await setup()
  const asset = await create()
  const own = { userId, assetId: asset.id }
  const tags = ['  Cats ', 'cats', 'a\u202eb', '\u200b']

  const edited = await editAsset(database, own, { tags })
  const renamed = await editAsset(database, own, { filename: '../x\u0000/cat\u202egnp.png' })

  t.same(edited, { ...asset, tags: ['cats', 'ab'] })
  t.same(renamed, { ...edited, filename: 'catgnp.png' })
  const foreign = { ...own, userId: otherUserId }
  await t.rejects(editAsset(database, foreign, { tags }), { code: 'NOT_FOUND' })
})
