import t from 'tap'
import { assertHealed, points, quick } from './crash-points.ts'
import { readTask } from './runner.ts'
import { until } from './until.ts'
import { createSite, isCompleted } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

t.setTimeout(600_000)

/** Before its claim a worker has nothing to lose, and after the commit nothing is left to it. */
const held = points.slice(points.indexOf('worker.claimed'), points.indexOf('worker.settled'))

for (const point of held) {
  t.test(
    `a worker that stands still at ${point} past its lease changes nothing later (T2)`,
    async t => {
      const site = await createSite(t)
      const sleeper = await site.startWorker(t, { ...quick, FAILPOINTS: `${point}=pause` })
      const taskId = await submitTask(site)
      await until(() => sleeper.isStopped())
      await site.startWorker(t, quick)

      await isCompleted(site, taskId)
      const before = await readTask(site, taskId)
      sleeper.signal('SIGCONT')
      await until(() => sleeper.lines.some(({ msg }) => isOver(String(msg))))

      t.same(await readTask(site, taskId), before)
      t.ok(before.attempt >= 2)
      await assertHealed(t, site, { taskIds: [taskId] })
    },
  )
}

function isOver(message: string): boolean {
  return message === 'claim is over, work discarded' || message === 'task left to the sweeper'
}
