import t, { type Test } from 'tap'
import { Lease } from '../src/lease.ts'
import { until } from './until.ts'

function setup(t: Test, renew: () => Promise<boolean>) {
  const errors: unknown[] = []
  const lease = new Lease({ leaseMs: 15, renew, onError: error => errors.push(error) })
  t.teardown(() => lease[Symbol.dispose]())
  return { lease, errors }
}

t.test('a renewal that finds the claim over ends the work', async t => {
  const { lease } = setup(t, async () => false)

  await until(() => lease.lost.aborted)

  t.match(lease.lost.reason, { name: 'Interruption', reason: 'superseded' })
})

t.test('a renewal that cannot reach Postgres ends nothing, and the next is tried', async t => {
  let renewals = 0
  const { lease, errors } = setup(t, async () => {
    renewals += 1
    if (renewals < 3) throw new Error('Connection terminated')
    return true
  })

  await until(() => renewals >= 4)

  t.equal(errors.length, 2)
  t.notOk(lease.lost.aborted)
})

t.test('a lease that is given up is not renewed', async t => {
  let renewals = 0
  const { lease } = setup(t, async () => {
    renewals += 1
    return true
  })
  await until(() => renewals >= 1)

  lease[Symbol.dispose]()

  const renewalsAtEnd = renewals
  const laterMs = performance.now() + 60
  await until(() => performance.now() > laterMs)
  t.ok(renewals <= renewalsAtEnd + 1)
  t.notOk(lease.lost.aborted)
})
