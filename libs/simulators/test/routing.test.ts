import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { explain, loadRouting, matchesPattern, parseRouting } from '../src/routing.ts'

const routing = await loadRouting()
const groupOf = (headers: Record<string, string | string[]>) =>
  explain(routing, { path: '/api/tasks', headers }).group

t.test('every public path goes to the service that owns it', async t => {
  const table = [
    ['/api/auth/sign-in/email', 'auth'],
    ['/api/assets', 'asset'],
    ['/api/assets/shared?limit=2', 'asset'],
    ['/api/credits', 'credit'],
    ['/api/credits/transactions', 'credit'],
    ['/api/admin/credits/adjust', 'credit'],
    ['/api/tools/figme', 'task-gateway'],
    ['/api/quotes', 'task-gateway'],
    ['/api/tasks', 'task-gateway'],
    ['/api/tasks/0199d5b0/cancel', 'task-gateway'],
    ['/api/tasks/0199d5b0/stream', 'progress'],
    ['/api/progress/ws', 'progress'],
    ['/api/admin/users', undefined],
    ['/API/assets', undefined],
    ['/metrics', undefined],
  ] as const

  t.same(
    table.map(([path]) => [path, explain(routing, { path, headers: {} }).service]),
    table,
  )
})

t.test('the dev-mode header wins over the beta cookie, and both over the default', async t => {
  const cookie = 'x-beta-access=true'

  const both = explain(routing, { path: '/api/tools', headers: { 'x-dev-mode': 'true', cookie } })
  const cookieOnly = explain(routing, { path: '/api/tools', headers: { cookie } })
  const neither = explain(routing, { path: '/api/tools', headers: {} })

  t.match(both, { rule: 'dev-mode, path 50', group: 'beta', service: 'task-gateway' })
  t.match(cookieOnly, { rule: 'beta-access, path 50', group: 'beta' })
  t.match(neither, { rule: 'default, path 50', group: 'stable' })
})

t.test('a header value is compared whole and, as an ALB does, without regard to case', async t => {
  t.equal(groupOf({ 'x-dev-mode': 'TRUE' }), 'beta')
  t.equal(groupOf({ 'x-dev-mode': 'truely' }), 'stable')
  t.equal(groupOf({ 'x-dev-mode': ['false', 'true'] }), 'beta')
})

t.test('Property: the beta cookie counts as a cookie, never as a part of the header', async t => {
  const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/)
  const value = fc.stringMatching(/^[A-Za-z0-9!#$%&'()*+./:<=>?@[\]^_`{|}~-]{0,12}$/)
  const near = fc.constantFrom(
    ['nox-beta-access', 'trueish'],
    ['nox-beta-access', 'true'],
    ['x-beta-access', 'trueish'],
    ['x-beta-access', ' true x'],
    ['x-beta-access', 'TRUE'],
    ['X-Beta-Access', 'true'],
    ['a', 'x-beta-access=true'],
  )
  const pair = fc.oneof(near, fc.tuple(token, value), fc.constant(['x-beta-access', 'true']))
  const separator = fc.constantFrom('; ', ';', ' ; ')

  fc.assert(
    fc.property(fc.array(pair, { maxLength: 6 }), separator, (pairs, glue) => {
      const cookie = pairs.map(([name, text]) => `${name}=${text}`).join(glue)
      const isBeta = pairs.some(([name, text]) => name === 'x-beta-access' && text === 'true')
      assert.equal(groupOf({ cookie }), isBeta ? 'beta' : 'stable')
    }),
    { numRuns: 300 },
  )

  t.pass('300 headers')
})

t.test('Property: wildcards mean what they mean to a regular expression', async t => {
  const meaning = new Map([
    ['*', '.*'],
    ['?', '.'],
    ['.', '\\.'],
  ])
  const alphabet = fc.constantFrom('a', 'b', '/', '.')
  const pattern = fc.array(fc.oneof(alphabet, fc.constantFrom('*', '?')), { maxLength: 8 })

  fc.assert(
    fc.property(pattern, fc.array(alphabet, { maxLength: 10 }), (parts, letters) => {
      const source = parts.map(part => meaning.get(part) ?? part)
      const expected = new RegExp(`^${source.join('')}$`).test(letters.join(''))
      assert.equal(matchesPattern(parts.join(''), letters.join('')), expected)
    }),
    { numRuns: 500 },
  )

  t.pass('500 patterns and paths')
})

t.test('data that a load balancer could not obey is refused with every fault', async t => {
  const { paths, services } = routing
  const first = paths[0]

  const withRule = (rule: object) => () => parseRouting({ ...routing, paths: [rule] })

  t.throws(withRule({ ...first, patterns: ['/a', '/b', '/c', '/d'] }), /not valid/)
  t.throws(withRule({ ...first, patterns: [`/${'a'.repeat(128)}`] }), /not valid/)
  t.throws(withRule({ ...first, patterns: ['/a b'] }), /not valid/)
  t.throws(withRule({ ...first, patterns: ['/*/*/*/*', '/*/*'] }), /too many wildcards/)
  t.throws(withRule({ ...first, service: 'billing' }), /unknown service billing/)
  t.throws(() => parseRouting({ ...routing, paths: [first, first] }), /same priority/)
  t.throws(() => parseRouting({ ...routing, services: { ...services, x: {} } }), /not valid/)
  t.throws(
    () => parseRouting({ ...routing, steering: [{ name: 'x', priority: 1, group: 'beta' }] }),
    /either a header or a cookie/,
  )
})
