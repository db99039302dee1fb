import t from 'tap'
import { startDeafProxy } from './deaf-proxy.ts'
import { assertBooks } from './runner.ts'
import { until } from './until.ts'
import { createSite, isCompleted } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

t.setTimeout(180_000)

const cuts = {
  'its wait for jobs is cut off in silence': /bzpopmin/i,
  'all its connections to the queue are': /./,
}
for (const [what, which] of Object.entries(cuts)) {
  t.test(`a worker goes on by itself after ${what} (Q-5, R-5)`, async t => {
    const site = await createSite(t)
    const proxy = await startDeafProxy(t, site.redisUrl)
    await site.startWorker(t, { REDIS_QUEUE_URL: proxy.url })
    await isCompleted(site, await submitTask(site))

    await until(() => proxy.deafen(which) > 0)
    const taskId = await submitTask(site)

    await isCompleted(site, taskId)
    await assertBooks(t, site, 2)
  })
}
