import fc from 'fast-check'
import t from 'tap'
import { pageAfter } from '../src/account/next-page.ts'

t.test('after signing in, one comes back to a page of this site and to no other site', async t => {
  const wanted = [
    '/gallery?q=a#b',
    '//evil.test',
    '/\\evil.test',
    'https://evil.test',
    '/\t/evil.test',
    null,
  ]

  t.same(wanted.map(pageAfter), ['/gallery?q=a#b', '/', '/', '/', '/', '/'])
  const any = fc.string({ unit: 'binary' })
  const text = fc.oneof(
    any,
    any.map(rest => `/${rest}`),
    fc.webUrl(),
  )
  fc.assert(
    fc.property(text, asked => {
      return new URL(pageAfter(asked), 'https://site.test').origin === 'https://site.test'
    }),
    { numRuns: 500 },
  )
})
