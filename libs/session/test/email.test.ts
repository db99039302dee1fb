import t from 'tap'
import { canonicalEmail } from '../src/email.ts'

t.test('an address has one form, however it is written', async t => {
  t.equal(canonicalEmail('  Ada@Example.COM '), 'ada@example.com')
  t.equal(canonicalEmail('ada+art@example.com'), 'ada+art@example.com', 'a tag is another address')
  t.equal(canonicalEmail('ada@xn--bcher-kva.example'), 'ada@xn--bcher-kva.example')
  t.equal(canonicalEmail(`o'neil_1-x@a.b-c.example`), `o'neil_1-x@a.b-c.example`)
})

const refused = [
  ['nothing', ''],
  ['no at sign', 'ada.example.com'],
  ['two at signs', 'ada@b@example.com'],
  ['a single label', 'ada@localhost'],
  ['a trailing dot', 'ada@example.com.'],
  ['an empty label', 'ada@example..com'],
  ['a label that starts with a hyphen', 'ada@-example.com'],
  ['inner space', 'ada lovelace@example.com'],
  ['a second header line', 'ada@example.com\r\nBcc: eve@example.com'],
  ['a bare line feed', 'ada@exam\nple.com'],
  ['a full-width look-alike', 'ａda@example.com'],
  ['a Kelvin sign, which lower-cases to k', 'ada@Kelvin.example'.replace('K', '\u212a')],
  ['an internationalised domain', 'ada@bücher.example'],
  ['a long local part', `${'a'.repeat(65)}@example.com`],
  ['a long address', `ada@${'a.'.repeat(130)}com`],
  ['a quoted local part', '"ada"@example.com'],
  ['SQL', `'; DROP TABLE users; --`],
] as const

t.test('what is no plain address is refused', async t => {
  for (const [title, text] of refused) t.equal(canonicalEmail(text), undefined, title)
})
