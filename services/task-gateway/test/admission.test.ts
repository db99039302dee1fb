import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import t from 'tap'
import { createAdmission, judgeLoad } from '../src/admission.ts'
import { addUser, openGateway, submit, submitted, until } from './gateway-app.ts'
import { countEffects } from './rows.ts'

const gateway = await openGateway(t)
const { database } = gateway
const limits = { waitingMax: 100, waitMaxMs: 60_000, openPerUserMax: 50 }
const body = { toolSlug: 'painter', input: { prompt: 'a cat' } }

t.test('a user may have so many unfinished tasks and no more, whoever is quicker', async t => {
  const openMax = 5
  const busy = await openGateway(t, 'development', {}, { openPerUserMax: openMax })
  const [owner, other] = [await addUser(busy, 10_000), await addUser(busy)]

  const responses = await Promise.all(Array.from({ length: 64 }, () => submit(busy, body, owner)))
  const accepted = responses.filter(({ statusCode }) => statusCode === 201)
  const refused = responses.filter(({ statusCode }) => statusCode === 429)

  t.same([accepted.length, refused.length], [openMax, 64 - openMax])
  t.match(refused[0]?.json().error, { code: 'TOO_MANY_TASKS', details: { openMax } })
  t.equal(refused[0]?.headers['retry-after'], '30')
  const effects = { tasks: openMax, reservations: openMax, wakeUps: openMax }
  t.same(await countEffects(busy.database, owner.user.id), effects)
  t.match(await balanceOf(busy.database, owner.user.id), { balance: 9_900, reservedBalance: 100 })
  t.equal((await submit(busy, body, other)).statusCode, 201)
})

t.test('many submissions are one look at Postgres in two seconds', async t => {
  let looks = 0
  let nowMs = 0
  // The database as it is, but for a query that counts.
  const counting: Database = Object.create(database, {
    query: {
      value: (statement: ReturnType<typeof sql>) => {
        if (statement.text.includes('oldestWaitMs')) looks += 1
        return database.query(statement)
      },
    },
  })
  const admission = createAdmission({ database: counting, limits, now: () => nowMs })

  await Promise.all(Array.from({ length: 20 }, () => admission.requireRoom()))
  t.equal(looks, 1)
  nowMs = 2_000
  await admission.requireRoom()

  t.equal(looks, 2)
})

t.test(
  'a queue that was full opens below nine tenths, in the time that it takes to drain',
  async t => {
    const load = (waiting: number) => ({ waiting, oldestWaitMs: 0 })
    const judge = (waiting: number, atMs: number, earlier?: ReturnType<typeof judgeLoad>) =>
      judgeLoad(load(waiting), limits, { earlier, atMs })

    const open = judge(99, 0)
    const full = judge(100, 2_000, open)
    const draining = judge(98, 4_000, full)
    const opened = judge(89, 6_000, draining)

    t.match(
      [open, full, draining, opened].map(({ isFull }) => isFull),
      [false, true, true, false],
    )
    t.equal(full.reopensInMs, 60_000)
    t.equal(draining.reopensInMs, 8_000)
  },
)

t.test('a full queue takes nothing more, charges nothing, and says when to come again', async t => {
  const owner = await addUser(gateway)
  await submitted(gateway, owner)
  await database.query(sql`UPDATE tasks SET ready_at = now() - interval '11 minutes'`)
  await until(async () => (await submit(gateway, body, owner)).statusCode === 503)
  const before = await countEffects(database, owner.user.id)

  const response = await submit(gateway, body, owner)
  const after = await countEffects(database, owner.user.id)

  t.equal(response.statusCode, 503)
  t.equal(response.json().error.code, 'QUEUE_FULL')
  t.match(response.json().error.details, {
    reopensAt: /^\d{4}-/,
    suggestion: /Nothing was charged/,
  })
  t.match(response.headers['retry-after'], /^\d+$/)
  t.same(after, before)
})
