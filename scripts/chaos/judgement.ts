import { sql } from '@funmagic/database/sql'
import { judgeAssets, judgeStore } from './asset-judgement.ts'
import { judgeCalls } from './call-judgement.ts'
import type { FaultLog } from './fault-log.ts'
import type { History, Order, UserRecord } from './history.ts'
import type { Lab } from './lab.ts'

interface Evidence {
  readonly lab: Lab
  readonly history: History
  readonly faults: FaultLog
}

export interface TaskCounts {
  readonly accepted: number
  readonly completed: number
  readonly failed: number
  readonly canceled: number
  /** Why those that failed did. */
  readonly reasons: Readonly<Record<string, number>>
}

export interface Judgement {
  readonly findings: readonly string[]
  readonly tasks: TaskCounts
  /** Calls that a provider took on, and those of them beyond the first of a task. */
  readonly submits: number
  readonly doubleSubmits: number
  /** The most calls that were open at once at a provider, and what it was allowed. */
  readonly openCalls: Readonly<Record<string, string>>
  readonly assetsFetched: number
  /** Tries to get what is not public, or no longer there, without a live signature. */
  readonly probes: number
  readonly orphansRemoved: number
}

interface TaskRow {
  readonly id: string
  readonly userId: string
  /** Null when an operator had it repeated. */
  readonly key: string | null
  readonly retriedTaskId: string | null
  readonly status: 'completed' | 'failed' | 'canceled'
  readonly cost: number
  readonly errorCode: string | null
}

/** Holds what the clients saw against what there is, when everything has ended. */
export async function judge({ lab, history, faults }: Evidence): Promise<Judgement> {
  const { rows: tasks } = await lab.database.query<TaskRow>(sql`
    SELECT id, user_id AS "userId", idempotency_key AS key, status, credits_cost AS cost,
      retried_task_id AS "retriedTaskId", error_code AS "errorCode" FROM tasks
  `)
  const assets = await judgeAssets(lab, history)
  const calls = await judgeCalls(lab, history, faults)
  const store = await judgeStore(lab)
  const count = (status: TaskRow['status']) => tasks.filter(task => task.status === status).length
  return {
    findings: [
      ...history.findings,
      ...judgeExchanges(history, faults),
      ...judgeOrders(history, tasks),
      ...(await judgeBalances(lab, history, tasks)),
      ...assets.findings,
      ...calls.findings,
      ...store.findings,
    ],
    tasks: {
      accepted: tasks.length,
      completed: count('completed'),
      failed: count('failed'),
      canceled: count('canceled'),
      reasons: countReasons(tasks),
    },
    submits: calls.submits,
    doubleSubmits: calls.doubleSubmits,
    openCalls: calls.openCalls,
    assetsFetched: assets.fetched,
    probes: assets.probes,
    orphansRemoved: store.removed,
  }
}

function countReasons(tasks: readonly TaskRow[]): Record<string, number> {
  const reasons: Record<string, number> = {}
  for (const { errorCode } of tasks) {
    if (errorCode !== null) reasons[errorCode] = (reasons[errorCode] ?? 0) + 1
  }
  return reasons
}

// What a service says when a provider is out of order or it has enough to do: an answer.
const busyCodes: readonly (string | undefined)[] = ['PROVIDER_UNAVAILABLE', 'QUEUE_FULL']

// What operators and strangers try, and may not.
const rightRefusals = ['SECOND_PERSON_REQUIRED', 'SIGNATURE_INVALID']

/** Nothing but 502, 503, 504 or silence, and that only around faults; 4xx are judged where sent. */
function judgeExchanges({ exchanges }: History, faults: FaultLog): string[] {
  return exchanges.flatMap(exchange => {
    const { method, route, status, code, isHungUp } = exchange
    if (isHungUp) return []
    const words = `${method} ${route} answered ${status} ${code ?? ''}`
    if (status === 0 || [502, 503, 504].includes(status)) {
      if (busyCodes.includes(code) || faults.isExcused(exchange)) return []
      return [`${words} while nothing was broken`]
    }
    if (code !== undefined && rightRefusals.includes(code)) return []
    return status >= 500 || status === 401 || status === 403 ? [words] : []
  })
}

/** M10, T4, T15: a key is a task, nothing else is one, and what was canceled costs nothing. */
function judgeOrders(history: History, tasks: readonly TaskRow[]): string[] {
  const { orders } = history
  const byKey = new Map(tasks.map(task => [task.key, task]))
  const ids = new Set(tasks.map(({ id }) => id))
  const known = new Set(orders.map(({ key }) => key))
  const strangers = tasks.filter(({ key, retriedTaskId }) =>
    retriedTaskId === null ? key === null || !known.has(key) : !ids.has(retriedTaskId),
  )
  return [
    ...strangers.map(({ id }) => `task ${id} was ordered by nobody`),
    ...orders.flatMap(order => {
      const { key, taskIds, refusal, isCanceled } = order
      const task = byKey.get(key)
      if (taskIds.size > 1) return [`${key} was answered with ${[...taskIds].join(' and ')}`]
      const [taskId] = taskIds
      if (taskId !== task?.id) return [`${key} was answered with ${taskId} and is ${task?.id}`]
      if (isCanceled && task?.status !== 'canceled') return [`${taskId} was canceled and is not`]
      if (taskId === undefined && refusal === undefined) return [`${key} was never answered`]
      return []
    }),
    ...orders
      .filter(order => isWronglyRefused(order, history, tasks))
      .map(({ key }) => `${key}: no 402`),
  ]
}

/** The bonus alone covers everything that was ordered by and for the user by then, and this too. */
function isWronglyRefused(
  order: Order,
  { orders, users }: History,
  tasks: readonly TaskRow[],
): boolean {
  if (order.refusal !== 'INSUFFICIENT_CREDITS') return false
  const isOwn = ({ userId }: { readonly userId: string }) => userId === order.userId
  const own = orders.filter(isOwn)
  const before = own.slice(0, own.indexOf(order) + 1)
  const repeated = tasks.filter(task => isOwn(task) && task.retriedTaskId !== null)
  const taken = users.find(({ id }) => id === order.userId)?.taken ?? 0
  return sumOf([...before, ...repeated]) + taken <= signUpBonus
}

function sumOf(priced: readonly { readonly cost: number }[]): number {
  return priced.reduce((sum, { cost }) => sum + cost, 0)
}

const signUpBonus = 100

interface Account {
  readonly id: string
  readonly balance: number
  readonly reserved: number
  readonly debt: number
}

/**
 * Every credit is accounted for: given and bought, less what was taken back and the price of what
 * was completed. What could not be taken back, because it was spent, is a debt.
 */
async function judgeBalances(
  { database }: Lab,
  { users }: History,
  tasks: readonly TaskRow[],
): Promise<string[]> {
  const { rows } = await database.query<Account>(sql`
    SELECT user_id AS id, balance, reserved_balance AS reserved, debt FROM credits
  `)
  return users.flatMap(({ id, email, bonus, bought, reversed, adjusted }: UserRecord) => {
    const paid = sumOf(tasks.filter(task => task.userId === id && task.status === 'completed'))
    const found = rows.find(row => row.id === id)
    if (found === undefined) return [`${email} has no account`]
    const { balance, reserved, debt } = found
    const expected = bonus + bought - reversed + adjusted - paid
    if (balance - debt === expected && reserved === 0) return []
    const words = `${email} has ${balance}, ${reserved} reserved, and owes ${debt}`
    return [`${words}; together ${expected} was expected`]
  })
}
