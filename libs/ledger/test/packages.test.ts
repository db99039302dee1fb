import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { createTestDatabase } from '@funmagic/database/testing'
import { findPackage, listPackages, savePackage } from '../src/packages.ts'

const { database } = await createTestDatabase(t)
const starter = {
  name: 'Starter',
  credits: 100,
  priceCents: 499,
  currency: 'usd',
  stripePriceId: null,
  sortOrder: 2,
  isActive: true,
}

t.test('packages on sale are listed in their order, others are not', async t => {
  await savePackage(database, starter)
  await savePackage(database, { ...starter, name: 'Mini', sortOrder: 1 })
  const withdrawn = await savePackage(database, { ...starter, name: 'Old', isActive: false })

  const packages = await listPackages(database)

  t.strictSame(
    packages.map(({ name }) => name),
    ['Mini', 'Starter'],
  )
  t.equal(await findPackage(database, withdrawn.id), undefined)
})

t.test('saving a package again replaces it under the same id', async t => {
  const first = await savePackage(database, starter)

  const second = await savePackage(database, { ...starter, priceCents: 399 })

  t.equal(second.id, first.id)
  t.match(await findPackage(database, first.id), { priceCents: 399 })
})

t.test('what is no package is not found', async t => {
  t.equal(await findPackage(database, newId()), undefined)
  t.equal(await findPackage(database, 'starter'), undefined)
})
