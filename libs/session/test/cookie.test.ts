import t from 'tap'
import { readSessionCookie, sessionCookie } from '../src/cookie.ts'

const token = 'a'.repeat(40)
const other = 'b'.repeat(40)
const name = '__Host-funmagic_session'

t.test('the name says what the browser must enforce', async t => {
  t.equal(sessionCookie({ secure: true }).name, '__Host-funmagic_session')
  t.equal(sessionCookie({ secure: false }).name, 'funmagic_session')
  t.equal(
    sessionCookie({ secure: true, domain: 'funmagic.ai' }).name,
    '__Secure-funmagic_session',
    'a cookie with a domain may not be called __Host-',
  )
})

const headers = [
  ['no header', undefined, [], false],
  ['an empty header', '', [], false],
  ['the cookie alone', `${name}=${token}`, [token], false],
  ['the cookie among others', `a=1; ${name}=${token}; b=2`, [token], false],
  ['the same value twice', `${name}=${token}; ${name}=${token}`, [token], false],
  ['two values', `${name}=${token}; ${name}=${other}`, [token, other], true],
  ['a real one behind junk', `${name}=x; ${name}=${token}`, [token], true],
  ['a name that ends alike', `x${name}=${token}`, [], false],
  ['the name of another environment', `funmagic_session=${token}`, [], false],
  ['another case', `__host-funmagic_session=${token}`, [], false],
  ['bad percent-encoding', `${name}=%E0%A4%A`, [], false],
  ['a quoted value', `${name}="${token}"`, [], false],
  ['eight kilobytes', `${name}=${'a'.repeat(8192)}`, [], false],
  ['no value', `${name}=; ${name}`, [], false],
] as const

t.test('only a well-formed token counts, and two values are never one', async t => {
  for (const [title, header, tokens, isAmbiguous] of headers) {
    t.same(readSessionCookie(header, name), { tokens, isAmbiguous }, title)
  }
})
