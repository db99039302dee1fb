import t from 'tap'
import { etagOf, readBasedOn } from '../src/version-match.ts'

t.test('the version comes from If-Match or the body, and both must agree', async t => {
  t.equal(readBasedOn(undefined, 3), 3)
  t.equal(readBasedOn('"3"', undefined), 3)
  t.equal(readBasedOn(etagOf({ version: 3 }), 3), 3)
  t.throws(() => readBasedOn('"3"', 4), { code: 'VERSION_CONFLICT' })
  t.throws(() => readBasedOn(undefined, undefined), { code: 'VALIDATION_FAILED' })
})

t.test('an If-Match that we never gave out matches nothing', async t => {
  for (const junk of ['', '*', '3', 'W/"3"', '"3", "4"', '"-1"', '"1e3"', '"99999999999"']) {
    t.throws(() => readBasedOn(junk, undefined), { code: 'VERSION_CONFLICT' }, junk)
  }
})
