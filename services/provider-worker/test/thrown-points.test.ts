import t from 'tap'
import { assertHealed, points, quick } from './crash-points.ts'
import { createSite } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

t.setTimeout(600_000)

t.test('a fault of ours at any point costs a try and nothing else', async t => {
  const site = await createSite(t)
  const list = points.map(point => `${point}=throw`).join(';')
  await site.startWorker(t, { ...quick, FAILPOINTS: list })
  const taskIds = await Promise.all(points.map(() => submitTask(site)))

  // Of all points only worker.accepted lies between sending and learning the id.
  await assertHealed(t, site, { taskIds, thrown: 1 })
})
