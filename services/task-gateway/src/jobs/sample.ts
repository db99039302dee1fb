import { taskQueueName } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import { readBacklog } from '@funmagic/task/outbox'
import { countOpenByTool, readQueueLoad } from '@funmagic/task/queue-load'
import type { TaskQueue } from '@funmagic/task/queue'
import type { Events } from '../events.ts'

interface SampleDeps {
  readonly database: Database
  readonly queue: Pick<TaskQueue, 'counts'>
  readonly events: Events
}

const waitingCountMax = 100_000

/** Reads how much waits in the outbox and in the queue, for the gauges (O6, T5). */
export async function sample({ database, queue, events }: SampleDeps): Promise<void> {
  try {
    events.backlogSampled(await readBacklog(database))
    events.loadSampled(
      await readQueueLoad(database, { countMax: waitingCountMax }),
      await countOpenByTool(database),
    )
  } catch (error) {
    // Postgres is away: the gauge keeps its last value, and the health check tells the rest.
    events.sampleFailed('outbox', error)
  }
  try {
    events.queueSampled(taskQueueName, await queue.counts())
  } catch (error) {
    // Redis is away: the same.
    events.sampleFailed('queue', error)
  }
}
