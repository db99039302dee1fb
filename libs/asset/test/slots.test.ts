import t from 'tap'
import { Slots } from '../src/slots.ts'

t.test('no more jobs run or wait than there are slots, and each gets its turn', async t => {
  const slots = new Slots({ runningMax: 2, waitingMax: 2 })
  const gate = Promise.withResolvers<void>()
  let running = 0
  let runningMost = 0
  const job = async () => {
    running++
    runningMost = Math.max(runningMost, running)
    await gate.promise
    running--
    return 'done'
  }

  const jobs = Array.from({ length: 4 }, () => slots.use(job))
  await t.rejects(slots.use(job), { code: 'OVERLOADED', retryAfterSeconds: 2 })
  gate.resolve()

  t.same(await Promise.all(jobs), ['done', 'done', 'done', 'done'])
  t.equal(runningMost, 2)
  t.equal(await slots.use(async () => 'free again'), 'free again')
})

t.test('a job that fails gives its slot back', async t => {
  const slots = new Slots({ runningMax: 1, waitingMax: 0 })

  await t.rejects(
    slots.use(() => Promise.reject(new Error('broken'))),
    { message: 'broken' },
  )

  t.equal(await slots.use(async () => 'runs'), 'runs')
})
