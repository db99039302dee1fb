import fc from 'fast-check'
import t from 'tap'
import { CredentialError, openCredentials } from '../src/credentials.ts'

t.test('whatever was sealed opens again with the same key and context', async t => {
  const credentials = await openCredentials('a secret key of this test')

  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (plain, context) => {
      return credentials.open(credentials.seal(plain, context), context) === plain
    }),
  )

  t.pass('100 random keys')
})

t.test('a sealed key does not open in another row, with another key, or when changed', async t => {
  const credentials = await openCredentials('a secret key of this test')
  const others = await openCredentials('another secret key')
  const sealed = credentials.seal('sk-123456', 'providers|a|api_key')

  t.throws(() => credentials.open(sealed, 'providers|b|api_key'), CredentialError)
  t.throws(() => others.open(sealed, 'providers|a|api_key'), CredentialError)
  t.throws(() => credentials.open('', 'providers|a|api_key'), CredentialError)
  t.throws(() => credentials.open(sealed.slice(0, -8), 'providers|a|api_key'), CredentialError)
})

t.test('any single flipped bit is refused', async t => {
  const credentials = await openCredentials('a secret key of this test')
  const parts = credentials.seal('sk-123456', 'row').split(':')

  for (const index of parts.keys()) {
    const bytes = Buffer.from(parts[index] ?? '', 'base64')
    bytes[0] = (bytes[0] ?? 0) ^ 1
    const changed = parts.with(index, bytes.toString('base64')).join(':')

    t.throws(() => credentials.open(changed, 'row'), CredentialError, `part ${index}`)
  }
})

t.test('sealing the same key twice gives different texts of the documented form', async t => {
  const credentials = await openCredentials('a secret key of this test')

  const first = credentials.seal('sk-123456', 'row')
  const second = credentials.seal('sk-123456', 'row')

  t.not(first, second)
  t.equal(first.split(':').length, 4)
  t.notMatch(first, /sk-123456/)
})
