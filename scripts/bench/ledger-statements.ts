import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { newId, type UserId } from '@funmagic/contract/ids'
import { openDatabase, type Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { confirm, reserve } from '@funmagic/ledger/reservations'
import type { Comparison, Way } from './comparison.ts'
import { createPayer } from './engine.ts'
import { rateOf } from './load.ts'
import type { Setting } from './setting.ts'
import { createRenewal, idsIn, recordStatements, replay, type Unit } from './statements.ts'

const run = promisify(execFile)

const atLeast = { atLeast: 0.8 } as const
/** As many at once as in the quotient of the hot user; and a few, over which less is waited for. */
const crowd = { lanes: 64, bound: atLeast } as const
const few = { lanes: 8, bound: 'none' } as const
const pairs = 6_000
const pgbenchSeconds = 3

/** Reserving and confirming through the library against its own statements without it. */
export async function ledgerStatementComparisons(setting: Setting): Promise<Comparison[]> {
  const { database, url } = await setting.openDatabase()
  for (let lane = 0; lane < crowd.lanes; lane++) await createPayer(database, userOf(lane))
  const units = await recordStatements(url, recorder => payOnce(recorder, userOf(0)))
  const onPool = compareWithPool({ setting, url, units })
  if (!(await hasPgbench())) {
    setting.note('pgbench is not on the PATH: compared with a bare pg pool only')
    return [onPool]
  }
  const script = await writeScript(setting, units, userOf(0))
  const withPgbench = [crowd, few].map(({ lanes, bound }) => ({
    ...comparison,
    title: `${comparison.title}, pgbench, ${lanes} at once`,
    bound,
    ours: throughLibrary({ setting, url, lanes }),
    bare: {
      name: `the same statements in pgbench, ${lanes} connections`,
      run: () => runPgbench(url, { ...script, lanes }),
    },
  }))
  return [...withPgbench, onPool]
}

const comparison = { title: 'reserve and confirm', unit: 'pairs/s' } as const

interface Library {
  readonly setting: Setting
  readonly url: string
  readonly lanes: number
}

function openLanes({ setting, url, lanes }: Library): Database {
  const database = openDatabase({ url, poolMax: lanes, applicationName: 'bench-ledger' })
  setting.onClose(() => database[Symbol.asyncDispose]())
  return database
}

function throughLibrary(library: Library): Way {
  const { lanes } = library
  const database = openLanes(library)
  return {
    name: `libs/ledger, ${lanes} connections`,
    run: () => rateOf({ lanes, count: pairs }, lane => payOnce(database, userOf(lane))),
  }
}

function compareWithPool(
  recorded: Omit<Library, 'lanes'> & { units: readonly Unit[] },
): Comparison {
  const { lanes } = few
  const library = { ...recorded, lanes }
  const { pool } = openLanes(library)
  const renew = createRenewal(recorded.units, [userOf(0)])
  const replayOnce = (lane: number) => replay(pool, renew(new Map([[userOf(0), userOf(lane)]])))
  return {
    ...comparison,
    title: `${comparison.title}, bare pool, ${lanes} at once`,
    bound: atLeast,
    ours: throughLibrary(library),
    bare: {
      name: `the same statements on a pg pool, ${lanes} connections`,
      run: () => rateOf({ lanes, count: pairs }, replayOnce),
    },
  }
}

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
async function runPgbench(
  url: string,
  { path, variables, lanes }: Script & { lanes: number },
): Promise<number> {
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
