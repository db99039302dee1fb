import t from 'tap'
import { assertHealed, points, quick } from './crash-points.ts'
import { createSite } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

t.setTimeout(600_000)

t.test('a worker killed at any point loses no task and charges none twice', async t => {
  const site = await createSite(t)
  const taskIds: string[] = []
  for (const point of points) {
    const worker = await site.startWorker(t, { ...quick, FAILPOINTS: `${point}=kill` })
    taskIds.push(await submitTask(site))
    t.equal(await worker.exit(), 'SIGKILL', point)
  }

  await site.startWorker(t, quick)

  await assertHealed(t, site, { taskIds })
})
