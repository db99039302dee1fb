import fc from 'fast-check'
import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { choosePaths } from '../src/invalidation-paths.ts'

const owners = Array.from({ length: 20 }, () => newId())
const keyOf = (owner: number, name: number) =>
  `public/shared/${owners[owner % owners.length]}/post${name}/a.png`
const keysOf = (count: number, ownersMax: number) =>
  Array.from({ length: count }, (_, index) => keyOf(index % ownersMax, index))
const idle = { files: 0, wildcards: 0 }

t.test('a few files are named one by one, each once', async t => {
  const key = keyOf(0, 1)

  t.same(choosePaths([key, key, keyOf(1, 2)], idle), [`/${key}`, `/${keyOf(1, 2)}`].toSorted())
})

t.test('many files are named by the folders of their owners', async t => {
  const folders = [0, 1, 2].map(owner => `/public/shared/${owners[owner]}/*`).toSorted()

  t.same(choosePaths(keysOf(1_001, 3), idle), folders)
  t.same(
    choosePaths(['public/ops/banners/x.png', ...keysOf(10, 1)], { files: 2_990, wildcards: 0 }),
    ['/public/ops/banners/*', `/public/shared/${owners[0]}/*`],
  )
})

t.test(
  'files of too many owners are everything, and when that is full nothing is sent',
  async t => {
    const full = { files: 3_000, wildcards: 0 }

    t.same(choosePaths(keysOf(40, 20), full), ['/public/*'])
    t.equal(choosePaths(keysOf(1, 1), { ...full, wildcards: 15 }), undefined)
  },
)

t.test('never more than the CDN takes, and every key is named', async t => {
  const counts = fc.record({
    keys: fc.integer({ min: 1, max: 3_000 }),
    owners: fc.integer({ min: 1, max: 20 }),
    files: fc.integer({ min: 0, max: 3_000 }),
    wildcards: fc.integer({ min: 0, max: 15 }),
  })
  const isNamedBy = (path: string, key: string) =>
    path.endsWith('*') ? `/${key}`.startsWith(path.slice(0, -1)) : path === `/${key}`

  fc.assert(
    fc.property(counts, ({ keys: count, owners: ownersMax, files, wildcards }) => {
      const keys = keysOf(count, ownersMax)
      const paths = choosePaths(keys, { files, wildcards })
      if (paths === undefined) return wildcards === 15
      const wild = paths.filter(path => path.endsWith('*')).length
      const isWithin = files + paths.length - wild <= 3_000 && wildcards + wild <= 15
      return isWithin && keys.every(key => paths.some(path => isNamedBy(path, key)))
    }),
    { numRuns: 100 },
  )
  t.pass('100 batches')
})
