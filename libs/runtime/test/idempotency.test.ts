import t from 'tap'
import { hashRequest } from '../src/idempotency.ts'

t.test('the order of keys does not make another request, at any depth', async t => {
  const one = { a: 1, b: { c: [1, { d: 2, e: 3 }], f: null } }
  const other = { b: { f: null, c: [1, { e: 3, d: 2 }] }, a: 1 }

  t.equal(hashRequest(one), hashRequest(other))
})

t.test('another value, another order in a list, or another type makes another request', async t => {
  const hashes = [{ a: [1, 2] }, { a: [2, 1] }, { a: ['1', 2] }, { a: { 0: 1, 1: 2 } }, {}].map(
    hashRequest,
  )

  t.equal(new Set(hashes).size, hashes.length)
})
