import { inOneTrip, inTransaction } from '@funmagic/database/transaction'
import { openDatabase, type Database } from '@funmagic/database/client'
import { reserve } from '@funmagic/ledger/reservations'
import { findProvider } from '@funmagic/provider/providers'
import { recordTask } from '@funmagic/task/submission'
import { createAdmission } from '../../services/task-gateway/src/admission.ts'
import { checkOrder } from '../../services/task-gateway/src/orders.ts'
import { createQuotes } from '../../services/task-gateway/src/quotes.ts'
import type { Payer } from './engine.ts'
import { recordStatements, type Unit } from './statements.ts'

const limits = { waitingMax: 1_000, waitMaxMs: 3_600_000, openPerUserMax: 1_000_000 }

/**
 * The SQL of one `POST /api/tasks`, in its order: the tool, and the transaction that reserves,
 * counts the open tasks of the user, and records. What the gateway reads once for many requests,
 * such as the provider, is not among it.
 */
export async function recordRequest(url: string, { userId }: Payer): Promise<Unit[]> {
  await using other = openDatabase({ url, poolMax: 1, applicationName: 'bench-providers' })
  return await recordStatements(url, async database => {
    const admission = createAdmission({ database, limits })
    const order = { userId, requestId: 'bench', body }
    const { task, description } = await checkOrder(openOrders(database, other), order)
    await inTransaction(database, async tx => {
      await recordTask(tx, task, async ({ taskId: referenceId, deadlineAt }) => {
        const reservation = { userId, referenceId, amount: task.creditsCost, deadlineAt }
        const turn = admission.requireTurn(tx, userId)
        const [held] = await inOneTrip(reserve(tx, { ...reservation, description }), turn)
        return held
      })
    })
  })
}

const body = { toolSlug: 'painter', input: { prompt: 'a lighthouse' } }

function openOrders(database: Database, other: Database) {
  return {
    database,
    providerOf: (id: string) => findProvider(other, id),
    links: { findKey: () => undefined },
    quotes: createQuotes('the secret of a bench'),
    timeouts: { stepDefaultSeconds: 600, queueAllowanceSeconds: 600 },
    // Asks Redis.
    availability: {
      require: async () => undefined,
      look: async () => ({ isAvailable: true, isDegraded: false }),
    },
  }
}
