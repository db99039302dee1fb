import t from 'tap'
import { applySteeringFunction, signSteering } from './steering-function.ts'

const secret = 'a secret of the platform team'
const later = new Date(Date.now() + 3_600_000)

t.test('without a secret the plain header and cookie pass, made exact', async t => {
  t.match(await applySteeringFunction({ devMode: 'TRUE', cookie: 'x-beta-access=true' }), {
    devMode: 'true',
    cookie: 'x-beta-access=true',
  })
  const odd = { devMode: 'yes', cookie: 'X-Beta-Access=true; x-beta-access=TRUE' }
  t.same(await applySteeringFunction(odd), { devMode: undefined, cookie: undefined })
})

t.test('with a secret, what is not signed is taken off', async t => {
  const sent = { devMode: 'true', cookie: 'x-beta-access=true; __Host-funmagic_session=abc' }

  const passed = await applySteeringFunction(sent, secret)

  t.same(passed, { devMode: undefined, cookie: '__Host-funmagic_session=abc' })
})

t.test('with a secret, signed values become what the listener rules know', async t => {
  const sent = {
    devMode: signSteering('x-dev-mode', later, secret),
    cookie: `a=1; x-beta-access=${signSteering('x-beta-access', later, secret)}`,
  }

  const passed = await applySteeringFunction(sent, secret)

  t.same(passed, { devMode: 'true', cookie: 'x-beta-access=true' })
})

t.test('a signature counts for its name, its secret and its time only', async t => {
  const earlier = new Date(Date.now() - 60_000)
  const values = [
    signSteering('x-beta-access', later, secret),
    signSteering('x-dev-mode', later, 'another secret'),
    signSteering('x-dev-mode', earlier, secret),
    signSteering('x-dev-mode', later, secret).replace(/.$/, 'g'),
  ]

  for (const devMode of values) {
    t.same((await applySteeringFunction({ devMode }, secret)).devMode, undefined, devMode)
  }
})

t.test('cookies of the viewer other than ours do not reach the services', async t => {
  const passed = await applySteeringFunction({ cookie: '_ga=1; __Host-funmagic_session=abc' })

  t.equal(passed.cookie, '__Host-funmagic_session=abc')
})
