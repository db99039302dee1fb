import t from 'tap'
import { newId } from '../src/ids.ts'
import { readPage } from '../src/page.ts'
import { isStorableText } from '../src/text.ts'

t.test('a query names a place in the list, by default the first page', async t => {
  const cursor = newId()

  t.same(readPage({}), { limit: 20, beforeId: undefined })
  t.same(readPage({ limit: 5, cursor }), { limit: 5, beforeId: cursor })
})

t.test('a cursor that no list gave out is refused', async t => {
  t.throws(() => readPage({ cursor: 'nonsense' }), { code: 'INVALID_CURSOR' })
})

t.test('text with NUL or half a surrogate pair cannot be stored, other text can', async t => {
  for (const text of ['a\0b', '\ud800', '\udc00x']) t.notOk(isStorableText(text))
  for (const text of ['', 'Ä', '😀', '\u0001', 'a\nb']) t.ok(isStorableText(text))
})
