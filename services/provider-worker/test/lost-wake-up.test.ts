import t from 'tap'
import { quick } from './crash-points.ts'
import { readTask } from './runner.ts'
import { until } from './until.ts'
import { createSite } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

t.setTimeout(600_000)

t.test(
  'a wake-up whose worker died before it claimed is given to another in time (L11)',
  async t => {
    const site = await createSite(t)
    const lockMs = 5_000
    const settings = { ...quick, WORKER_LOCK_MS: String(lockMs) }
    const dying = await site.startWorker(t, { ...settings, FAILPOINTS: 'worker.fetched=kill' })
    const spare = await site.startWorker(t, settings)
    spare.signal('SIGSTOP')
    const taskId = await submitTask(site)
    await dying.exit()
    const diedAtMs = performance.now()
    spare.signal('SIGCONT')

    await until(async () => (await readTask(site, taskId)).attempt > 0)

    const ratio = (performance.now() - diedAtMs) / lockMs
    t.comment(`taken up after ${ratio.toFixed(2)} times the lock`)
    t.ok(ratio <= 2.5)
    t.match(await readTask(site, taskId), { attempt: 1 })
  },
)
