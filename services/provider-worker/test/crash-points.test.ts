import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { release } from '@funmagic/ledger/reservations'
import { failTask } from '@funmagic/task/lifecycle'
import { findPoisoned } from '@funmagic/task/sweeps'
import t, { type Test } from 'tap'
import { assertBooks, readTask, rowsOf } from './runner.ts'
import { until } from './until.ts'
import { createSite, isCompleted, submitsOf, type Site } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

/** Every place where a worker may die (reliability, W1–W9), in the order of a task's life. */
const points = [
  ...(['worker.fetched', 'worker.claimed', 'worker.admitted', 'worker.submitting'] as const),
  ...(['worker.accepted', 'worker.submitted', 'worker.received', 'worker.stored'] as const),
  ...(['worker.settling', 'worker.settled', 'worker.announced'] as const),
]
const quick = { WORKER_LOCK_MS: '1000', TASK_RETRY_DELAY_MS: '20', TASK_RETRIES_MAX: '10' }
const slots = { PROVIDER_SLOT_LEASE_SECONDS: '10' }

/** T3, T4, T6 and M6–M8, once everything has healed. */
async function assertHealed(t: Test, site: Site, taskIds: readonly string[]): Promise<void> {
  for (const taskId of taskIds) await isCompleted(site, taskId)
  const unknowns = sql`SELECT count(*) AS count FROM provider_calls WHERE error_kind = 'unknown'
    OR error_kind = 'abandoned'`
  const [row] = await rowsOf(site, unknowns)
  const [submits, doubtful] = [await submitsOf(site, 'fal'), Number(row?.['count'])]
  t.comment(`${taskIds.length} tasks, ${submits} submissions, ${doubtful} calls in doubt`)
  t.ok(submits >= taskIds.length && submits <= taskIds.length + doubtful)
  await assertBooks(t, site, taskIds.length)
}

t.test('a worker killed at any point loses no task and charges none twice', async t => {
  const site = await createSite(t)
  const taskIds: string[] = []
  for (const point of points) {
    const worker = await site.startWorker(t, { ...quick, ...slots, FAILPOINTS: `${point}=kill` })
    taskIds.push(await submitTask(site))
    t.equal(await worker.exit(), 'SIGKILL', point)
  }

  await site.startWorker(t, { ...quick, ...slots })

  await assertHealed(t, site, taskIds)
})

t.test('a fault of ours at any point costs a try and nothing else', async t => {
  const site = await createSite(t)
  const list = points.map(point => `${point}=throw`).join(';')
  await site.startWorker(t, { ...quick, ...slots, FAILPOINTS: list })
  const taskIds = await Promise.all(points.map(() => submitTask(site)))

  await assertHealed(t, site, taskIds)
})

for (const point of ['worker.claimed', 'worker.submitted', 'worker.stored', 'worker.settling']) {
  t.test(
    `a worker that stands still at ${point} past its lease changes nothing later (T2)`,
    async t => {
      const site = await createSite(t)
      const sleeper = await site.startWorker(t, {
        ...quick,
        ...slots,
        FAILPOINTS: `${point}=pause`,
      })
      const taskId = await submitTask(site)
      await until(() => sleeper.isStopped())
      await site.startWorker(t, { ...quick, ...slots })

      await isCompleted(site, taskId)
      const before = await readTask(site, taskId)
      sleeper.signal('SIGCONT')
      await until(() => sleeper.lines.some(({ msg }) => isOver(String(msg))))

      t.same(await readTask(site, taskId), before)
      t.equal(before.attempt, 2)
      await assertHealed(t, site, [taskId])
    },
  )
}

function isOver(message: string): boolean {
  return message === 'claim is over, work discarded' || message === 'task left to the sweeper'
}

t.test(
  'a wake-up whose worker died before it claimed is given to another in time (L11)',
  async t => {
    const site = await createSite(t)
    const lockMs = 5_000
    const settings = { ...slots, WORKER_LOCK_MS: String(lockMs) }
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
