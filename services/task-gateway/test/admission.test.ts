import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { AppError } from '@funmagic/contract/problem'
import t from 'tap'
import { createAdmission, judgeLoad } from '../src/admission.ts'
import { addUser, openGateway, submit, submitted, until } from './gateway-app.ts'
import { countEffects } from './rows.ts'

const gateway = await openGateway(t)
const { database } = gateway
const limits = { waitingMax: 100, waitMaxMs: 60_000, openPerUserMax: 50 }
const body = { toolSlug: 'painter', input: { prompt: 'a cat' } }

async function refusalOf(work: Promise<void>): Promise<AppError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof AppError) return error
  throw new Error('it was not refused')
}

t.test('a user may have so many unfinished tasks and no more', async t => {
  const owner = await addUser(gateway)
  const admission = createAdmission({ database, limits: { ...limits, openPerUserMax: 2 } })
  await submitted(gateway, owner)
  await t.resolves(admission.requireRoom(owner.user.id))
  await submitted(gateway, owner)

  const error = await refusalOf(admission.requireRoom(owner.user.id))

  t.match(error, { code: 'TOO_MANY_TASKS', retryAfterSeconds: 30, details: { openMax: 2 } })
  await t.resolves(admission.requireRoom((await addUser(gateway)).user.id))
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
  const { user } = await addUser(gateway)

  await Promise.all(Array.from({ length: 20 }, () => admission.requireRoom(user.id)))
  t.equal(looks, 1)
  nowMs = 2_000
  await admission.requireRoom(user.id)

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
