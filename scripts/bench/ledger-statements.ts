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
const pairs = 2_000
const pgbenchSeconds = 2

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
  const reservationId = await inTransaction(database, tx =>
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

async function writeScript(setting: Setting, units: readonly Unit[], user: UserId) {
  const folder = await mkdtemp(join(tmpdir(), 'funmagic-bench-'))
  setting.onClose(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'pairs.sql')
  await writeFile(path, toScript(units, user))
  return path
}

/** The statements with their values in them: new ids from a random number, the user's by client. */
function toScript(units: readonly Unit[], user: UserId): string {
  const expressions = new Map(
    idsIn(units).map((id, place) => [id, `md5('${place}' || :seed)::uuid`]),
  )
  const ofClient = `('${userPrefix}' || lpad(:client_id::text, ${userDigits}, '0'))::uuid`
  expressions.set(user, ofClient)
  const literal = (value: unknown): string => {
    if (value === null) return 'NULL'
    if (typeof value === 'number') return String(value)
    if (value instanceof Date) return `'${value.toISOString()}'`
    if (typeof value !== 'string') throw new Error(`no literal for ${typeof value}`)
    return expressions.get(value) ?? `'${value.replaceAll("'", "''")}'`
  }
  const lines = units.flat().map(({ text, values }) => {
    const filled = text.replaceAll(/\$(\d+)/g, (_, place) => literal(values[Number(place) - 1]))
    return `${filled.replaceAll(/\s+/g, ' ').trim()};`
  })
  return ['\\set seed random(1, 9000000000000000000)', ...lines, ''].join('\n')
}

/** Prepared, as the library's are. */
async function runPgbench(url: string, script: string): Promise<number> {
  const { stdout } = await run('pgbench', [
    '--no-vacuum',
    '--protocol=prepared',
    '--jobs=1',
    `--client=${lanes}`,
    `--time=${pgbenchSeconds}`,
    `--file=${script}`,
    url,
  ])
  const rate = /^tps = ([\d.]+)/m.exec(stdout)?.[1]
  if (rate === undefined) throw new Error(`pgbench said: ${stdout}`)
  return Number(rate)
}
