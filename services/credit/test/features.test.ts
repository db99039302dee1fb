import { newId } from '@funmagic/contract/ids'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { changeFeature } from '@funmagic/session/features'
import t from 'tap'
import { until } from './credit-app.ts'
import { openShop } from './shop.ts'

const { database, checkout, addUser } = await openShop(t)

/** Nothing is begun by it: 404 to whom purchases are open, and 403 to the others. */
async function tryBuying(cookie: string): Promise<number> {
  return (await checkout(cookie, { packageId: newId() })).statusCode
}

t.test('without purchases nothing new is begun, and what is paid for is credited', async t => {
  const { cookie, user } = await addUser()
  const begun = await checkout(cookie)

  await inTransaction(database, tx => changeFeature(tx, { feature: 'purchases', percent: 0 }))
  await until(async () => (await tryBuying(cookie)) === 403)
  const refused = await checkout(cookie)
  await fetch(begun.json().checkoutUrl, { method: 'POST', redirect: 'manual' })
  await until(async () => (await balanceOf(database, user.id)).balance === 100)

  t.equal(begun.statusCode, 201)
  t.match(refused.json().error, { code: 'FEATURE_OFF', details: { feature: 'purchases' } })
  await inTransaction(database, tx => changeFeature(tx, { feature: 'purchases', percent: 100 }))
  await until(async () => (await tryBuying(cookie)) === 404)
  t.equal((await checkout(cookie)).statusCode, 201, 'begun again, without a restart')
})
