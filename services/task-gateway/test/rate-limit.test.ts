import { randomInt } from 'node:crypto'
import t from 'tap'
import { addUser, openGateway } from './gateway-app.ts'
import { countEffects } from './rows.ts'

t.test(
  'the eleventh task within a minute is refused, and is neither recorded nor paid',
  async t => {
    const gateway = await openGateway(t, 'production')
    const { user, cookie } = await addUser(gateway, 1_000)
    // An address that no other test sends from.
    const remoteAddress = `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`
    const payload = { toolSlug: 'painter', input: { prompt: 'a cat' } }
    const send = () =>
      gateway.app.inject({
        method: 'POST',
        url: '/api/tasks',
        headers: { cookie },
        remoteAddress,
        payload,
      })

    const statuses: number[] = []
    for (let n = 0; n < 10; n++) statuses.push((await send()).statusCode)
    const refused = await send()

    t.same([...new Set(statuses)], [201])
    t.equal(refused.statusCode, 429)
    t.equal(refused.json().error.code, 'RATE_LIMITED')
    t.match(refused.headers, { 'retry-after': /^\d+$/, 'x-ratelimit-limit': '10' })
    t.same(await countEffects(gateway.database, user.id), {
      tasks: 10,
      reservations: 10,
      wakeUps: 10,
    })
  },
)
