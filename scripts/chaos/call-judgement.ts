import { sql } from '@funmagic/database/sql'
import type { FaultLog } from './fault-log.ts'
import type { History } from './history.ts'
import { readCalls, slotLeaseSeconds, type Lab, type ProviderCall } from './lab.ts'

/** A line of provider_calls; times are milliseconds of the clock. */
export interface CallRow {
  readonly id: string
  readonly taskId: string
  readonly provider: string
  readonly providerRequestId: string | null
  readonly state: string
  readonly errorKind: string | null
  readonly startedAt: number
  readonly closedAt: number
}

interface CallJudgement {
  readonly findings: readonly string[]
  readonly submits: number
  readonly doubleSubmits: number
  readonly openCalls: Readonly<Record<string, string>>
}

const bufferFull = 10_000
// Until a call that we gave up without an answer has surely ended at the provider too.
const afterlifeMs = 30_000
// Who held a slot when Redis lost it has entered it again by then.
const memoryLossMs = slotLeaseSeconds * 1_500
/** Failures after which the provider may still be at work. */
const unanswered = ['unavailable', 'timed_out', 'bad_response', 'unknown', 'canceled']
/** What can take a claim from a worker between sending a call and learning its id. */
const takesClaims = /provider-worker|postgres|redisQueue|providers/

/** T6 and T12: what the providers were really asked, against what was written down before. */
export async function judgeCalls(
  lab: Lab,
  history: History,
  faults: FaultLog,
): Promise<CallJudgement> {
  const { providers, calls } = await readCalls(lab)
  const { rows } = await lab.database.query<CallRow>(sql`
    SELECT id, task_id AS "taskId", provider, provider_request_id AS "providerRequestId", state,
      error_kind AS "errorKind", extract(epoch FROM created_at)::float8 * 1000 AS "startedAt",
      extract(epoch FROM updated_at)::float8 * 1000 AS "closedAt"
    FROM provider_calls
  `)
  const tallies = Object.entries(providers)
  const submits = tallies.reduce((sum, [, tally]) => sum + tally.submits, 0)
  const tasks = new Set(rows.map(({ taskId }) => taskId))
  const isFull = calls.length >= bufferFull
  return {
    submits,
    doubleSubmits: Math.max(0, submits - tasks.size),
    openCalls: Object.fromEntries(
      tallies.map(([name, { openMax }]) => [name, `${openMax} of ${history.limits.get(name)}`]),
    ),
    findings: [
      ...(isFull ? ['there were more calls than the simulators keep'] : []),
      ...findCallFaults({ calls, rows, limits: history.limits, faults }),
    ],
  }
}

export interface CallEvidence {
  readonly calls: readonly ProviderCall[]
  readonly rows: readonly CallRow[]
  /** By provider. */
  readonly limits: ReadonlyMap<string, number>
  readonly faults: FaultLog
}

/** What the calls that the providers took on say against us. */
export function findCallFaults(evidence: CallEvidence): string[] {
  const { calls, rows, faults } = evidence
  const accepted = calls.filter(({ isAccepted }) => isAccepted)
  return [
    ...judgeSubmits(accepted, rows),
    ...judgeRepeats(rows, faults),
    ...judgeLimits({ ...evidence, calls: accepted }),
  ]
}

/** T6: each call that was taken on was written down, and was made once. */
function judgeSubmits(accepted: readonly ProviderCall[], rows: readonly CallRow[]): string[] {
  const made = new Map<string, number>()
  const nameless = new Map<string, number>()
  for (const { provider, id, clientReference } of accepted) {
    const row = rows.find(row => {
      if (row.provider !== provider) return false
      return clientReference === null ? row.providerRequestId === id : row.id === clientReference
    })
    if (row !== undefined) made.set(row.id, (made.get(row.id) ?? 0) + 1)
    else nameless.set(provider, (nameless.get(provider) ?? 0) + 1)
  }
  const repeated = [...made].filter(([, count]) => count > 1)
  return [
    ...repeated.map(([id, count]) => `call ${id} was made ${count} times`),
    // Whoever takes no reference and did not get its answer through: those are judged in sum.
    ...[...nameless].flatMap(([provider, count]) => {
      const unknown = rows.filter(row => row.provider === provider && !made.has(row.id)).length
      if (count <= unknown) return []
      return [`${provider} took on ${count} calls too many, ${unknown} were written down for them`]
    }),
  ]
}

/** T6, task by task: one call, and one more for each that has failed or whose end nobody saw. */
function judgeRepeats(rows: readonly CallRow[], faults: FaultLog): string[] {
  const endsMax = faults.count(name => takesClaims.test(name)) + 1
  return [...Map.groupBy(rows, ({ taskId }) => taskId)].flatMap(([taskId, own]) => {
    const failed = own.filter(({ state }) => state === 'failed').length
    const lost = own.filter(({ errorKind }) => errorKind === 'unknown').length
    const words = `task ${taskId} was submitted ${own.length} times`
    if (own.length > failed + 1) return [`${words}, and ${failed} of them failed`]
    return lost > endsMax ? [`${words}, ${lost} without a known end; ${endsMax} had a cause`] : []
  })
}

/**
 * T12: whenever a call is taken on, no more than the limit are open at the provider. Those that we
 * had to give up without an answer may go on there unseen; and what was begun while the Redis that
 * counts had just lost its memory is not counted.
 */
function judgeLimits({ calls, rows, limits, faults }: CallEvidence): string[] {
  const losses = faults.injected
    .filter(({ name }) => name === 'flush redisQueue' || name === 'crash redisQueue')
    .map(({ startedAt, endedAt }) => ({
      from: performance.timeOrigin + startedAt,
      to: performance.timeOrigin + endedAt + memoryLossMs,
    }))
  return calls.flatMap(({ provider, openedAt }) => {
    const limit = limits.get(provider)
    if (limit === undefined || openedAt === null) return []
    if (losses.some(({ from, to }) => openedAt >= from && openedAt <= to)) return []
    const open = calls.filter(other => other.provider === provider && isOpen(other, openedAt))
    const unseen = rows.filter(row => row.provider === provider && isUnseen(row, openedAt))
    if (open.length <= limit + unseen.length) return []
    const words = `${provider} had ${open.length} calls open at once, ${unseen.length} unseen`
    return [`${words}; ${limit} are allowed`]
  })
}

function isOpen({ openedAt, closedAt }: ProviderCall, at: number): boolean {
  return openedAt !== null && openedAt <= at && (closedAt === null || closedAt > at)
}

function isUnseen({ errorKind, startedAt, closedAt }: CallRow, at: number): boolean {
  if (errorKind === null || !unanswered.includes(errorKind)) return false
  return startedAt <= at && closedAt + afterlifeMs >= at
}
