import { inTransaction } from '@funmagic/database/transaction'
import { release } from '@funmagic/ledger/reservations'
import { failTask } from '@funmagic/task/lifecycle'
import { findPoisoned } from '@funmagic/task/sweeps'
import t from 'tap'
import { quick } from './crash-points.ts'
import { assertBooks, readTask } from './runner.ts'
import { until } from './until.ts'
import { createSite, isCompleted } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

t.setTimeout(600_000)

t.test(
  'a task that kills its workers runs three times, ends as POISON, and is free (T11)',
  async t => {
    const rescuesMax = 2
    const site = await createSite(t, { rescuesMax })
    const taskId = await submitTask(site)
    for (let run = 0; run <= rescuesMax; run++) {
      const worker = await site.startWorker(t, { ...quick, FAILPOINTS: 'worker.claimed=kill' })
      t.equal(await worker.exit(), 'SIGKILL')
    }
    await until(
      async () => (await findPoisoned(site.database, { limit: 9, rescuesMax })).length > 0,
    )

    await inTransaction(site.database, async tx => {
      const task = await failTask(tx, { taskId, code: 'POISON' })
      if (task !== undefined) await release(tx, task.reservationId)
    })
    await site.startWorker(t, quick)
    const other = await submitTask(site)
    await isCompleted(site, other)

    t.match(await readTask(site, taskId), {
      status: 'failed',
      attempt: 3,
      error: { code: 'POISON' },
    })
    await assertBooks(t, site, 1)
  },
)
