import { newId } from '@funmagic/contract/ids'
import { openDatabase, type Database } from '@funmagic/database/client'
import { Trip } from '@funmagic/database/trip'
import type { Pool, QueryConfig } from 'pg'

export interface Statement {
  /** Of a prepared statement. */
  readonly name?: string
  readonly text: string
  readonly values: readonly unknown[]
}

/** One statement alone, or those of a transaction from its BEGIN to its COMMIT. */
export type Unit = readonly Statement[]

/**
 * What the work sends to Postgres, in its order, so that the bare way can send the very same and
 * nothing is written twice. The work is really done once, on the database of this address.
 */
export async function recordStatements(
  url: string,
  work: (database: Database) => Promise<unknown>,
): Promise<Unit[]> {
  await using database = openDatabase({ url, poolMax: 4, applicationName: 'bench-recorder' })
  const units: Unit[] = []
  database.pool.on('connect', client => {
    const send = client.query.bind(client)
    let open: Statement[] | undefined
    const listen = (statement: Statement) => {
      if (statement.text === 'BEGIN') open = []
      if (open === undefined) return void units.push([statement])
      open.push(statement)
      if (statement.text !== 'COMMIT') return
      units.push(open)
      open = undefined
    }
    const query = (...given: readonly unknown[]): unknown => {
      const [first] = given
      if (first instanceof Trip) for (const one of first.statements) listen(statementOf([one]))
      else listen(statementOf(given))
      return Reflect.apply(send, client, given)
    }
    Object.assign(client, { query })
  })
  await work(database)
  return units
}

function statementOf([first, second]: readonly unknown[]): Statement {
  const values: readonly unknown[] = Array.isArray(second) ? second : []
  if (typeof first === 'string') return { text: first, values }
  if (typeof first !== 'object' || first === null || !('text' in first)) {
    throw new Error('a statement has no text')
  }
  const own = 'values' in first && Array.isArray(first.values) ? first.values : values
  const name = 'name' in first ? { name: String(first.name) } : {}
  return { ...name, text: String(first.text), values: own }
}

const idForm = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** The ids in the values, in the order of their first use. */
export function idsIn(units: readonly Unit[]): string[] {
  const texts = units.flat().flatMap(({ values }) => values.flat())
  const ids = texts.flatMap(text => (typeof text === 'string' ? (text.match(idForm) ?? []) : []))
  return [...new Set(ids)]
}

/** Makes the same work about other things: every id is a new one, but for those with a name. */
export function createRenewal(
  units: readonly Unit[],
  named: Iterable<string>,
): (others: ReadonlyMap<string, string>) => Unit[] {
  const kept = new Set(named)
  const ids = idsIn(units).filter(id => !kept.has(id))
  return others => {
    const replacements = new Map([...ids.map(id => [id, newId()] as const), ...others])
    const renew = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(renew)
      if (typeof value !== 'string') return value
      return value.replace(idForm, id => replacements.get(id) ?? id)
    }
    return units.map(unit => unit.map(one => ({ ...one, values: one.values.map(renew) })))
  }
}

/** Sends them, prepared where ours are, with nothing in between but the driver and its pool. */
export async function replay(pool: Pool, units: readonly Unit[]): Promise<void> {
  for (const unit of units) {
    const [first] = unit
    if (first === undefined) continue
    if (unit.length === 1) await pool.query(toQuery(first))
    else await replayTransaction(pool, unit)
  }
}

async function replayTransaction(pool: Pool, unit: Unit): Promise<void> {
  const client = await pool.connect()
  try {
    for (const statement of unit) await client.query(toQuery(statement))
    client.release()
  } catch (error) {
    client.release(true)
    throw error
  }
}

function toQuery({ values, ...statement }: Statement): QueryConfig {
  return values.length === 0 ? statement : { ...statement, values: [...values] }
}
