import { features } from '@funmagic/contract/features'
import { createTestUser } from '@funmagic/session/testing'
import t from 'tap'
import { newEmail, password, post, signUpSomebody, startAuthApp } from './auth-app.ts'

const { app, database, metrics, lines } = await startAuthApp(t)
const owner = await createTestUser(database, { role: 'super_admin' })
const admin = await createTestUser(database, { role: 'admin' })
const path = '/api/admin/settings/features'

function list({ cookie }: { cookie: string }) {
  return app.inject({ url: path, headers: { cookie } })
}

function put(key: string, body: object, { cookie }: { cookie: string } = owner) {
  const request = { method: 'PUT', headers: { cookie }, payload: body } as const
  return app.inject({ ...request, url: `${path}/${key}` })
}

function signUp() {
  return post(app, 'sign-up/email', { name: 'Ada', email: newEmail(), password })
}

t.test('an admin reads what can be switched, and only a super_admin switches', async t => {
  const { items } = (await list(admin)).json()
  const refused = await put('purchases', { percent: 0, reason: 'no' }, admin)

  t.same(
    items.map((item: { key: string }) => item.key),
    Object.keys(features),
  )
  for (const item of items) t.match(item, { percent: 100, updatedAt: null, summary: String })
  t.equal(refused.statusCode, 403)
  t.same((await list(admin)).json().items, items)
})

t.test('sign-up is off and on again with the reply; who is there signs in', async t => {
  const { email } = await signUpSomebody(app)

  const off = await put('sign-up', { percent: 0, reason: 'a flood of robots' })
  const refused = await signUp()
  const signedIn = await post(app, 'sign-in/email', { email, password })
  const on = await put('sign-up', { percent: 100, reason: 'they are gone' })
  const accepted = await signUp()

  t.match(off.json().items, [{ key: 'sign-up', percent: 0, updatedAt: String }])
  t.equal(refused.statusCode, 403)
  t.match(refused.json().error, { code: 'FEATURE_OFF', details: { feature: 'sign-up' } })
  t.equal(refused.headers['set-cookie'], undefined)
  t.equal(signedIn.statusCode, 200)
  t.match(on.json().items, [{ key: 'sign-up', percent: 100 }])
  t.equal(accepted.statusCode, 200)
})

t.test('a switch is written down with who, why, and how it was before', async t => {
  await put('publishing', { percent: 25, reason: 'see how it goes' })
  await put('publishing', { percent: 50, reason: 'it goes' })

  const url = '/api/admin/events?subjectType=settings&subjectId=feature:publishing'
  const { items } = (await app.inject({ url, headers: { cookie: owner.cookie } })).json()

  const common = { action: 'settings.updated', actorId: owner.user.id, actorRole: 'super_admin' }
  t.match(items, [
    { ...common, before: { percent: 25 }, after: { percent: 50 }, reason: 'it goes' },
    { ...common, before: { percent: 100 }, after: { percent: 25 }, reason: 'see how it goes' },
  ])
  t.equal(items.length, 2)
  t.match(await metrics.registry.metrics(), /admin_changes_total\{action="settings.updated"/)
  t.ok(lines.some(line => line.includes('"feature":"publishing","percent":50')))
})

t.test('what is no feature or no share is refused, and nothing is written', async t => {
  const before = (await list(owner)).json()
  const rows: [string, object, number, string][] = [
    ['nonsense', { percent: 0, reason: 'x' }, 404, 'NOT_FOUND'],
    ['toString', { percent: 0, reason: 'x' }, 404, 'NOT_FOUND'],
    ['purchases', { percent: 101, reason: 'x' }, 400, 'VALIDATION_FAILED'],
    ['purchases', { percent: -1, reason: 'x' }, 400, 'VALIDATION_FAILED'],
    ['purchases', { percent: 0.5, reason: 'x' }, 400, 'VALIDATION_FAILED'],
    ['purchases', { percent: 0 }, 400, 'VALIDATION_FAILED'],
    ['purchases', { percent: 0, reason: ' ' }, 400, 'VALIDATION_FAILED'],
    ['purchases', { percent: 0, reason: 'x', more: 1 }, 400, 'VALIDATION_FAILED'],
    ['sign-up', { percent: 50, reason: 'x' }, 400, 'VALIDATION_FAILED'],
  ]

  for (const [key, body, status, code] of rows) {
    const response = await put(key, body)
    const label = `${key} ${JSON.stringify(body)}`
    t.same([response.statusCode, response.json().error.code], [status, code], label)
  }
  t.same((await list(owner)).json(), before)
})
