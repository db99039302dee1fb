import { createHash } from 'node:crypto'
import { sql } from '@funmagic/database/sql'
import { openS3ObjectStore } from '@funmagic/asset/s3-object-store'
import { reconcilePage } from '@funmagic/asset/reconciliation'
import type { FaultLog } from './faults.ts'
import type { History, Order, UserRecord } from './history.ts'
import { readCalls, type Lab } from './lab.ts'

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
}

export interface Judgement {
  readonly findings: readonly string[]
  readonly tasks: TaskCounts
  /** Calls that a provider took on, and those of them beyond the first of a task. */
  readonly submits: number
  readonly doubleSubmits: number
  readonly assetsFetched: number
  readonly orphansRemoved: number
}

interface TaskRow {
  readonly id: string
  readonly userId: string
  readonly key: string
  readonly status: 'completed' | 'failed' | 'canceled'
  readonly cost: number
}

const bufferFull = 10_000
// As many as S3 lists at once.
const objectsMax = 1_000
const pagesMax = 100

/** Holds what the clients saw against what there is, when everything has ended. */
export async function judge({ lab, history, faults }: Evidence): Promise<Judgement> {
  const { rows: tasks } = await lab.database.query<TaskRow>(sql`
    SELECT id, user_id AS "userId", idempotency_key AS key, status, credits_cost AS cost FROM tasks
  `)
  const assets = await judgeAssets(lab, history)
  const calls = await judgeCalls(lab)
  const store = await judgeStore(lab)
  const count = (status: TaskRow['status']) => tasks.filter(task => task.status === status).length
  return {
    findings: [
      ...history.findings,
      ...judgeExchanges(history, faults),
      ...judgeOrders(history.orders, tasks),
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
    },
    submits: calls.submits,
    doubleSubmits: calls.doubleSubmits,
    assetsFetched: assets.fetched,
    orphansRemoved: store.removed,
  }
}

// What a service says when a provider is out of order or it has enough to do: an answer.
const busyCodes: readonly (string | undefined)[] = ['PROVIDER_UNAVAILABLE', 'QUEUE_FULL']

/** Nothing but 502, 503, 504 or silence, and that only around faults; 4xx are judged where sent. */
function judgeExchanges({ exchanges }: History, faults: FaultLog): string[] {
  return exchanges.flatMap(exchange => {
    const { method, route, status, code } = exchange
    const words = `${method} ${route} answered ${status} ${code ?? ''}`
    if (status === 0 || [502, 503, 504].includes(status)) {
      if (busyCodes.includes(code) || faults.isExcused(exchange)) return []
      return [`${words} while nothing was broken`]
    }
    return status >= 500 || status === 401 || status === 403 ? [words] : []
  })
}

/** M10, T4, T15: a key is a task, nothing else is one, and what was canceled costs nothing. */
function judgeOrders(orders: readonly Order[], tasks: readonly TaskRow[]): string[] {
  const byKey = new Map(tasks.map(task => [task.key, task]))
  const known = new Set(orders.map(({ key }) => key))
  const strangers = tasks.filter(({ key }) => !known.has(key))
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
    ...orders.filter(order => isWronglyRefused(order, orders)).map(({ key }) => `${key}: no 402`),
  ]
}

/** The bonus alone covers everything that the user had ordered by then, and this too. */
function isWronglyRefused(order: Order, orders: readonly Order[]): boolean {
  if (order.refusal !== 'INSUFFICIENT_CREDITS') return false
  const own = orders.filter(({ userId }) => userId === order.userId)
  const before = own.slice(0, own.indexOf(order) + 1)
  return before.reduce((sum, { cost }) => sum + cost, 0) <= signUpBonus
}

const signUpBonus = 100

/** Every credit is accounted for: given and bought, less the price of what was completed. */
async function judgeBalances(
  { database }: Lab,
  { users }: History,
  tasks: readonly TaskRow[],
): Promise<string[]> {
  const { rows } = await database.query<{ id: string; balance: number; reserved: number }>(sql`
    SELECT user_id AS id, balance, reserved_balance AS reserved FROM credits
  `)
  return users.flatMap(({ id, email, bonus, bought }: UserRecord) => {
    const paid = tasks
      .filter(task => task.userId === id && task.status === 'completed')
      .reduce((sum, { cost }) => sum + cost, 0)
    const found = rows.find(row => row.id === id)
    const expected = bonus + bought - paid
    if (found?.balance === expected && found.reserved === 0) return []
    const { balance, reserved } = found ?? {}
    return [`${email} has ${balance} and ${reserved} reserved; ${expected} and 0 were expected`]
  })
}

/** T6: a provider took on no call that was not written down before it was made. */
async function judgeCalls(lab: Lab) {
  const { providers, calls } = await readCalls(lab)
  const { rows } = await lab.database.query<{ provider: string; written: number; tasks: number }>(
    sql`SELECT provider, count(*) AS written, count(DISTINCT task_id) AS tasks
      FROM provider_calls GROUP BY provider`,
  )
  const tallies = Object.entries(providers)
  const submits = tallies.reduce((sum, [, tally]) => sum + tally.submits, 0)
  const asked = rows.reduce((sum, { tasks }) => sum + tasks, 0)
  const findings = tallies.flatMap(([provider, tally]) => {
    const written = rows.find(row => row.provider === provider)?.written ?? 0
    if (tally.submits <= written) return []
    return [`${provider} took on ${tally.submits} calls, and ${written} were written down`]
  })
  if (calls.length >= bufferFull) findings.push('there were more calls than the simulators keep')
  return { findings, submits, doubleSubmits: Math.max(0, submits - asked) }
}

/** T7, S1: every asset that was not deleted can be fetched, with the bytes that it should have. */
async function judgeAssets({ addresses, database }: Lab, history: History) {
  const { rows } = await database.query<{ id: string; sha256: string; userId: string }>(sql`
    SELECT id, sha256, user_id AS "userId" FROM assets WHERE deleted_at IS NULL
  `)
  const findings: string[] = []
  const ids = new Set(rows.map(({ id }) => id))
  for (const [id, { sha256 }] of history.uploads) {
    const isGone = !ids.has(id) && !history.deleted.has(id)
    if (isGone) findings.push(`asset ${id} was uploaded and is gone`)
    else if (ids.has(id) && rows.find(row => row.id === id)?.sha256 !== sha256) {
      // A picture that is kept as it came has the digest of what was sent.
      findings.push(`asset ${id} is not what was uploaded`)
    }
  }
  for (const { id, sha256 } of rows) {
    const url = history.addresses.get(id)
    if (url === undefined) {
      findings.push(`asset ${id} has no address at ${addresses.edge}`)
      continue
    }
    const response = await fetch(url)
    const digest = createHash('sha256').update(Buffer.from(await response.arrayBuffer()))
    if (response.status !== 200) findings.push(`asset ${id} answered ${response.status}`)
    else if (digest.digest('hex') !== sha256) findings.push(`asset ${id} has other bytes`)
  }
  return { findings, fetched: rows.length }
}

/** S7: a row without bytes is a loss; bytes without a row go, and nothing is left to find then. */
async function judgeStore({ database, direct }: Lab) {
  const { endpoint, region, accessKeyId, secretAccessKey, buckets } = direct.s3
  const store = openS3ObjectStore({
    region,
    endpoint,
    accessKey: accessKeyId,
    secretKey: secretAccessKey,
    buckets: {
      private: buckets.S3_BUCKET_PRIVATE,
      public: buckets.S3_BUCKET_PUBLIC,
      admin: buckets.S3_BUCKET_ADMIN,
    },
  })
  const findings: string[] = []
  let removed = 0
  const limits = { graceSeconds: 0, objectsMax }
  for (const bucket of ['private', 'public', 'admin'] as const) {
    for (let pages = 0; pages < pagesMax; pages++) {
      const page = await reconcilePage({ database, store }, bucket, limits)
      removed += page?.removed.length ?? 0
      for (const id of page?.missing ?? []) findings.push(`asset ${id} has no bytes`)
      if (page === undefined || page.listed < objectsMax) break
    }
  }
  return { findings, removed }
}
