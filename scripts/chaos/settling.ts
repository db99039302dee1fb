import { setTimeout as pause } from 'node:timers/promises'
import { readMoveBacklog } from '@funmagic/asset/move-backlog'
import { sql } from '@funmagic/database/sql'
import { limiterKey } from '@funmagic/provider/limiter'
import { providerSeeds } from '../seeds/providers.ts'
import type { History } from './history.ts'
import { readCalls, slotLeaseSeconds, type Lab } from './lab.ts'

/** What is not done yet, by name; all 0 is the end that was promised. */
export type Backlog = Readonly<Record<string, number>>

const pollMs = 500

interface SettleOptions {
  readonly history: History
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

/** Waits until everything that was begun has ended; returns what is left at the deadline. */
export async function settle(
  lab: Lab,
  { history, deadlineMs, signal }: SettleOptions,
): Promise<{ readonly settledMs: number; readonly left: Backlog }> {
  const startedAt = performance.now()
  let left = await readBacklog(lab, history)
  while (Object.values(left).some(count => count > 0)) {
    if (performance.now() - startedAt > deadlineMs) break
    await pause(pollMs, undefined, { signal })
    left = await readBacklog(lab, history)
  }
  const open = Object.entries(left).filter(([, count]) => count > 0)
  return {
    settledMs: Math.round(performance.now() - startedAt),
    left: Object.fromEntries(open),
  }
}

async function readBacklog(lab: Lab, history: History): Promise<Backlog> {
  const { database } = lab
  const { rows } = await database.query<Record<string, number>>(sql`
    SELECT
      (SELECT count(*) FROM tasks WHERE finished_at IS NULL) AS "open tasks",
      (SELECT count(*) FROM outbox WHERE sent_at IS NULL AND available_at <= now())
        AS "unsent wake-ups",
      (SELECT count(*) FROM credit_reservations WHERE state = 'open') AS "open reservations",
      -- A call whose id nobody learnt is given up later, by itself.
      (SELECT count(*) FROM provider_calls WHERE cancel_due_at IS NOT NULL AND state = 'submitted')
        AS "cancellations not passed on",
      abs(${history.paymentsMade}::int - (SELECT count(*) FROM payments WHERE state = 'paid'))
        AS "payments not booked",
      abs(${history.reversed}::int - (SELECT coalesce(sum(reversed_credits), 0)::int FROM payments))
        AS "credits not taken back",
      (SELECT count(*) FROM payment_events WHERE state IN ('received', 'waiting', 'failed'))
        AS "payment events not applied"
  `)
  const { moves, revocations } = await readMoveBacklog(database)
  const { providers } = await readCalls(lab)
  const atProviders = Object.values(providers).reduce((sum, { open }) => sum + open, 0)
  return {
    ...rows[0],
    'unfinished moves': moves,
    'addresses that edges still answer': revocations,
    'open calls at providers': atProviders,
    'slots held': await countSlots(lab),
  }
}

/** T13: who holds a slot at a provider, by a lease that is still good. */
async function countSlots(lab: Lab): Promise<number> {
  return lab.withRedis('redisQueue', async redis => {
    const latest = Date.now() - slotLeaseSeconds * 1000
    let held = 0
    for (const { id } of Object.values(providerSeeds)) {
      held += await redis.zcount(`${limiterKey('web', id)}:sem`, latest, '+inf')
    }
    return held
  })
}
