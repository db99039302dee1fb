import t from 'tap'
import { persist } from '../src/persist.ts'

const never = new AbortController().signal
const outages = [
  Object.assign(new Error('the database system is shutting down'), { code: '57P01' }),
  Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  new Error('Connection terminated unexpectedly'),
  new Error('timeout exceeded when trying to connect'),
]
for (const outage of outages) {
  t.test(`what is to be written outlasts "${outage.message}"`, async t => {
    let tries = 0

    const written = await persist(async () => {
      tries += 1
      if (tries === 1) throw outage
      return 'written'
    }, never)

    t.equal(written, 'written')
    t.equal(tries, 2)
  })
}

const refusals = [
  Object.assign(new Error('duplicate key'), { code: '23505' }),
  new Error('a bug'),
  new TypeError('x is not a function'),
]
for (const refusal of refusals) {
  t.test(`"${refusal.message}" is no outage and is not repeated`, async t => {
    let tries = 0

    const work = persist(async () => {
      tries += 1
      throw refusal
    }, never)

    await t.rejects(work, refusal)
    t.equal(tries, 1)
  })
}

t.test('nothing is repeated once the work is to stop', async t => {
  const outage = new Error('Connection terminated unexpectedly')

  const work = persist(async () => Promise.reject(outage), AbortSignal.abort())

  await t.rejects(work, outage)
})
