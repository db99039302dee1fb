import { balanceOf } from '@funmagic/ledger/accounts'
import { saveTool, type Tool } from '@funmagic/task/catalog'
import fc from 'fast-check'
import t from 'tap'
import { createQuotes } from '../src/quotes.ts'
import { addUser, openGateway, post, submit, submitted } from './gateway-app.ts'
import { complete, countEffects } from './rows.ts'

const gateway = await openGateway(t)
const { database, tools, clock } = gateway
const order = { toolSlug: 'painter', input: { prompt: 'a cat' } }

async function quoteFor(cookie: string, body: object = order) {
  const response = await post(gateway, '/api/quotes', { cookie, body })
  if (response.statusCode !== 200) throw new Error(`no quote: ${response.body}`)
  return response.json()
}

/** What an operator does who changes the price of every step. */
function reprice({ type, ...tool }: Tool, cost: number): Promise<Tool> {
  const steps = tool.config.steps.map(step => ({ ...step, cost }))
  const config = { ...tool.config, steps }
  return saveTool(database, { ...tool, typeName: type.name, creditsCost: cost, config })
}

t.test('a quote tells the price, what is paid when, and whether it can be paid', async t => {
  const { cookie, user } = await addUser(gateway, 10)

  const quote = await quoteFor(cookie)

  t.match(quote, {
    creditsCost: 20,
    balance: 10,
    isAffordable: false,
    charges: { completed: 20, failed: 0, canceledBeforeStart: 0 },
    wait: null,
  })
  const inSeconds = (Date.parse(quote.expiresAt) - Date.now()) / 1000
  t.ok(inSeconds > 570 && inSeconds <= 600, 'ten minutes')
  t.same(await countEffects(database, user.id), { tasks: 0, reservations: 0, wakeUps: 0 })
})

t.test('the quoted price and version hold when an operator changes both', async t => {
  const { cookie, user } = await addUser(gateway)
  const tool = await tools.addTool({ ...painterLike, slug: 'repriced', cost: 20 })
  const body = { ...order, toolSlug: 'repriced' }
  const { quoteToken } = await quoteFor(cookie, body)
  await reprice(tool, 90)

  const quoted = await submit(gateway, { ...body, quoteToken }, { cookie })
  const unquoted = await submit(gateway, body, { cookie })

  t.match(quoted.json(), { task: { creditsCost: 20 } })
  t.equal(unquoted.json().error.code, 'INSUFFICIENT_CREDITS', 'without it today’s price holds')
  t.match(await balanceOf(database, user.id), { balance: 80, reservedBalance: 20 })
  const row = await database.prisma.task.findUniqueOrThrow({ where: { id: quoted.json().task.id } })
  t.match(row, { toolVersion: tool.version, step: { cost: 20 } })
})

t.test('a tool that was switched off stays off, quoted or not', async t => {
  const { cookie } = await addUser(gateway)
  const tool = await tools.addTool({ ...painterLike, slug: 'switched-off' })
  const body = { ...order, toolSlug: 'switched-off' }
  const { quoteToken } = await quoteFor(cookie, body)
  await saveTool(database, { ...tool, typeName: tool.type.name, isActive: false })

  const response = await submit(gateway, { ...body, quoteToken }, { cookie })

  t.equal(response.json().error.code, 'TOOL_INACTIVE')
})

t.test('a quote is for its user, tool and step, and for ten minutes', async t => {
  const [owner, stranger] = [await addUser(gateway), await addUser(gateway)]
  const { quoteToken } = await quoteFor(owner.cookie)
  const parentTaskId = await submitted(gateway, owner)
  await complete(database, parentTaskId)
  const send = async (cookie: string, body: object) =>
    (await submit(gateway, { ...order, ...body }, { cookie })).json().error?.code

  t.equal(await send(stranger.cookie, { quoteToken }), 'INVALID_QUOTE')
  t.equal(await send(owner.cookie, { quoteToken: 'nonsense' }), 'INVALID_QUOTE')
  t.equal(await send(owner.cookie, { quoteToken, toolSlug: 'background-remove' }), 'QUOTE_MISMATCH')
  t.equal(
    await send(owner.cookie, { quoteToken, stepId: 'finish', parentTaskId }),
    'QUOTE_MISMATCH',
  )
  clock.aheadMs = 10 * 60_000 + 1
  t.equal(await send(owner.cookie, { quoteToken }), 'QUOTE_EXPIRED')
  clock.aheadMs = 0
  t.equal(await send(owner.cookie, { quoteToken }), undefined, 'and it is good for what it is for')
})

t.test('a later step is quoted with its parent, and refused without', async t => {
  const user = await addUser(gateway)
  const { cookie } = user
  const early = await post(gateway, '/api/quotes', { cookie, body: { ...order, stepId: 'finish' } })
  const parentTaskId = await submitted(gateway, user)
  await complete(database, parentTaskId)
  const body = { ...order, stepId: 'finish', parentTaskId }

  const { quoteToken } = await quoteFor(cookie, body)

  t.equal(early.json().error.code, 'STEP_ORDER')
  t.match((await submit(gateway, { ...body, quoteToken }, { cookie })).json(), {
    task: { stepId: 'finish', parentTaskId },
  })
})

t.test('a repeat under one Idempotency-Key is answered after the quote has expired', async t => {
  const { cookie } = await addUser(gateway)
  const { quoteToken } = await quoteFor(cookie)
  const first = await submit(gateway, { ...order, quoteToken }, { cookie, key: 'once' })
  clock.aheadMs = 11 * 60_000
  const again = await submit(gateway, { ...order, quoteToken }, { cookie, key: 'once' })
  clock.aheadMs = 0

  t.equal(again.statusCode, 201)
  t.equal(again.json().task.id, first.json().task.id)
})

t.test('the wait is estimated from tasks of the step, once there are five', async t => {
  const tool = await tools.addTool({ ...painterLike, slug: 'timed', cost: 1 })
  const user = await addUser(gateway)
  const body = { ...order, toolSlug: 'timed' }
  for (const seconds of [10, 20, 30, 40, 50]) {
    const { task } = (await submit(gateway, body, { cookie: user.cookie })).json()
    await complete(database, task.id)
    const times = { createdAt: new Date(Date.now() - seconds * 1000), finishedAt: new Date() }
    await database.prisma.task.update({ where: { id: task.id }, data: times })
  }

  const { wait } = await quoteFor(user.cookie, body)

  t.equal(tool.slug, 'timed')
  t.match(wait, { basedOn: 5, p50Seconds: 30 })
  t.ok(wait.p90Seconds > 40 && wait.p90Seconds <= 50)
})

t.test('no token but ours is taken, whatever is changed in it', async t => {
  const quotes = createQuotes('a secret of this test only')
  const claims = {
    userId: '0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10',
    toolSlug: 'painter',
    toolVersion: 3,
    stepId: 'sketch',
    creditsCost: 20,
  }
  const { token } = quotes.give(claims)
  t.match(quotes.read(token, claims.userId), claims)
  const read = (text: string) => quotes.read(text, claims.userId)
  const mutation = fc.tuple(
    fc.nat(token.length - 1),
    fc.constantFrom('A', 'a', '0', '_', '-', '.', 'q'),
  )

  fc.assert(
    fc.property(mutation, ([place, character]) => {
      const changed = token.slice(0, place) + character + token.slice(place + 1)
      // The last character of 43 carries two bits that base64url ignores.
      const isSame = changed.slice(0, -1) === token.slice(0, -1)
      fc.pre(!isSame)
      t.throws(() => read(changed), { code: 'INVALID_QUOTE' })
    }),
    { numRuns: 500 },
  )
  const { token: foreign } = createQuotes('another secret').give(claims)
  t.throws(() => read(foreign), { code: 'INVALID_QUOTE' })
})

const painterLike = {
  stepIds: ['sketch'],
  stepType: 'image-gen',
  providerId: tools.painter.config.steps[0]?.providerId ?? '',
  providerModel: 'gpt-image-1.5',
} as const
