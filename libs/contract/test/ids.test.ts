import fc from 'fast-check'
import t from 'tap'
import { isId, newId } from '../src/ids.ts'

t.test('an id made later sorts later, and names its millisecond', async t => {
  const time = fc.nat({ max: 2 ** 45 })

  fc.assert(
    fc.property(time, time, (one, other) => {
      const [earlier, later] = [Math.min(one, other), Math.max(one, other) + 1]
      const id = newId(earlier)
      return (
        isId(id) && id < newId(later) && parseInt(id.replace('-', '').slice(0, 12), 16) === earlier
      )
    }),
  )

  t.pass('100 pairs of times')
})

t.test('ids of one millisecond differ', async t => {
  const ids = new Set(Array.from({ length: 10_000 }, () => newId(1_700_000_000_000)))

  t.equal(ids.size, 10_000)
})

t.test('only the canonical form is an id', async t => {
  const id = newId()

  t.ok(isId(id))
  for (const text of ['', id.toUpperCase(), `${id}0`, id.slice(1), ` ${id}`, `{${id}}`]) {
    t.notOk(isId(text), JSON.stringify(text))
  }
})
