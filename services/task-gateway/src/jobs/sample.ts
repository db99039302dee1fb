import { taskQueueName } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import { dailyBudgetMicroUsd } from '@funmagic/provider/budget'
import { listBudgets } from '@funmagic/provider/providers'
import { countRecentFailures } from '@funmagic/task/dead-letters'
import { readBacklog } from '@funmagic/task/outbox'
import { countOpenByTool, readQueueLoad } from '@funmagic/task/queue-load'
import type { TaskQueue } from '@funmagic/task/queue'
import { readSpend } from '@funmagic/task/spend'
import type { Events } from '../events.ts'

interface SampleDeps {
  readonly database: Database
  readonly queue: Pick<TaskQueue, 'counts'>
  readonly events: Events
}

const waitingCountMax = 100_000
const hourMs = 3_600_000

/**
 * Reads how much waits in the outbox and in the queue, how many tasks failed of late, and how much
 * of the budgets of the day is spent, for the gauges (O6, T5, C7).
 */
export async function sample({ database, queue, events }: SampleDeps): Promise<void> {
  try {
    events.backlogSampled(await readBacklog(database))
    events.loadSampled(
      await readQueueLoad(database, { countMax: waitingCountMax }),
      await countOpenByTool(database),
    )
    events.failuresSampled(await countRecentFailures(database, { withinMs: hourMs }))
  } catch (error) {
    // Postgres is away: the gauge keeps its last value, and the health check tells the rest.
    events.sampleFailed('outbox', error)
  }
  try {
    for (const { id, name, config } of await listBudgets(database)) {
      const budget = dailyBudgetMicroUsd(config)
      if (budget === undefined) continue
      events.budgetSampled(name, budget === 0 ? 1 : (await readSpend(database, id)) / budget)
    }
  } catch (error) {
    events.sampleFailed('budgets', error)
  }
  try {
    events.queueSampled(taskQueueName, await queue.counts())
  } catch (error) {
    // Redis is away: the same.
    events.sampleFailed('queue', error)
  }
}
