import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { newId, type UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { confirm, reserve } from '@funmagic/ledger/reservations'
import type { Comparison } from './comparison.ts'
import { createPayer } from './engine.ts'
import { rateOf } from './load.ts'
import type { Setting } from './setting.ts'
import { createRenewal, idsIn, recordStatements, replay, type Unit } from './statements.ts'

const run = promisify(execFile)

// As many as the database of a test has connections.
const lanes = 8
const pairs = 6_000
const pgbenchSeconds = 3

/** Reserving and confirming through the library against its own statements without it. */
export async function ledgerStatementComparisons(setting: Setting): Promise<Comparison[]> {
  const { database, url } = await setting.openDatabase()
  const users = Array.from({ length: lanes }, (_, lane) => userOf(lane))
  for (const userId of users) await createPayer(database, userId)
  const [first = userOf(0)] = users
  const units = await recordStatements(url, recorder => payOnce(recorder, first))
  const ours = {
    name: `libs/ledger, ${lanes} connections`,
    run: () => rateOf({ lanes, count: pairs }, lane => payOnce(database, userOf(lane))),
  }
  const { title, unit, bound } = comparison
  const renew = createRenewal(units, [first])
  const pool = {
    name: `the same statements on a pg pool, ${lanes} connections`,
    run: () =>
      rateOf({ lanes, count: pairs }, lane =>
        replay(database.pool, renew(new Map([[first, userOf(lane)]]))),
      ),
  }
  const onPool = { title: `${title}, bare pool`, unit, bound, ours, bare: pool }
  if (!(await hasPgbench())) {
    setting.note('pgbench is not on the PATH: compared with a bare pg pool only')
    return [onPool]
  }
  const script = await writeScript(setting, units, first)
  const bare = {
    name: `the same statements in pgbench, ${lanes} connections`,
    run: () => runPgbench(url, script),
  }
  return [{ title: `${title}, pgbench`, unit, bound, ours, bare }, onPool]
}

const comparison = {
  title: 'reserve and confirm',
  unit: 'pairs/s',
  bound: { atLeast: 0.8 },
} as const

async function payOnce(database: Database, userId: UserId): Promise<void> {
  const deadlineAt = new Date(Date.now() + 3_600_000)
  const { reservationId } = await inTransaction(database, tx =>
    reserve(tx, { userId, referenceId: newId(), amount: 2, deadlineAt }),
  )
  await inTransaction(database, tx => confirm(tx, reservationId, 1))
}

const userPrefix = '00000000-0000-7000-8000-'
const userDigits = 12

/** pgbench knows the number of its client, so the ids of the users follow from it. */
function userOf(lane: number): UserId {
  return `${userPrefix}${String(lane).padStart(userDigits, '0')}` as UserId
}

async function hasPgbench(): Promise<boolean> {
  try {
    await run('pgbench', ['--version'])
    return true
  } catch {
    // Not installed: the bare pool has to do.
    return false
  }
}

interface Script {
  readonly path: string
  /** By their names. */
  readonly variables: ReadonlyMap<string, string>
}

async function writeScript(
  setting: Setting,
  units: readonly Unit[],
  user: UserId,
): Promise<Script> {
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-bench-'))
  setting.onClose(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'pairs.sql')
  const { text, variables } = toScript(units, user)
  await writeFile(path, text)
  return { path, variables }
}

/**
 * The statements with their values as parameters, as the library sends them; but new ids are made
 * of a random number, and the user's of the client's.
 */
function toScript(units: readonly Unit[], user: UserId) {
  const expressions = new Map<unknown, string>(
    idsIn(units).map((id, place) => [id, `md5('${place}' || :seed)::uuid`]),
  )
  expressions.set(user, `('${userPrefix}' || lpad(:client_id::text, ${userDigits}, '0'))::uuid`)
  expressions.set(null, ':nothing')
  const variables = new Map<string, string>()
  const toParameter = (value: unknown): string => {
    const expression = expressions.get(value)
    if (expression !== undefined) return expression
    const name = `value_${variables.size}`
    variables.set(name, value instanceof Date ? value.toISOString() : String(value))
    return `:${name}`
  }
  const lines = units.flat().map(({ text, values }) => {
    const filled = text.replaceAll(/\$(\d+)/g, (_, place) => toParameter(values[Number(place) - 1]))
    return `${filled.replaceAll(/\s+/g, ' ').trim()};`
  })
  const first = ['\\set seed random(1, 9000000000000000000)', '\\set nothing NULL']
  return { text: [...first, ...lines, ''].join('\n'), variables }
}

/** Prepared, as the library's are. */
async function runPgbench(url: string, { path, variables }: Script): Promise<number> {
  const { stdout } = await run('pgbench', [
    '--no-vacuum',
    '--protocol=prepared',
    '--jobs=1',
    `--client=${lanes}`,
    `--time=${pgbenchSeconds}`,
    `--file=${path}`,
    ...Array.from(variables, ([name, value]) => `--define=${name}=${value}`),
    url,
  ])
  const rate = /^tps = ([\d.]+)/m.exec(stdout)?.[1]
  if (rate === undefined) throw new Error(`pgbench said: ${stdout}`)
  return Number(rate)
}
