import t from 'tap'
import { setLimits } from './gate-fixture.ts'
import { assertBooks } from './runner.ts'
import { createSite, isCompleted } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

const maxConcurrency = 2
const maxPerMinute = 120
const tasksCount = 16

t.test('several workers together keep the limits, as the provider sees it (T12)', async t => {
  const site = await createSite(t)
  await setLimits(site, { maxConcurrency, maxPerMinute })
  const workers = [1, 2, 3].map(() => site.startWorker(t, { WORKER_CONCURRENCY: '4' }))
  await Promise.all(workers)

  const tasks = await Promise.all(Array.from({ length: tasksCount }, () => submitTask(site)))
  for (const taskId of tasks) await isCompleted(site, taskId)

  const report = await site.providers.calls()
  const { submits, openMax } = report.providers.fal
  const times = report.calls.flatMap(call => {
    return call.provider === 'fal' && call.operation === 'submit' ? [Date.parse(call.at)] : []
  })
  const mostAtOnce = Math.max(...times.map(from => countWithin(times, from, 1_000)))
  t.equal(submits, tasksCount)
  t.ok(openMax <= maxConcurrency, `${openMax} calls were open at once`)
  // A twentieth of the minute at once, and then at its pace.
  t.ok(mostAtOnce <= maxPerMinute / 20 + 3, `${mostAtOnce} calls within a second`)
  await assertBooks(t, site, tasksCount)
})

function countWithin(times: readonly number[], from: number, spanMs: number): number {
  return times.filter(at => at >= from && at < from + spanMs).length
}
