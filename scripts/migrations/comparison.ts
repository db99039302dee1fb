import pg from 'pg'

export interface TableComparison {
  readonly table: string
  /** Undefined where the table is not there. */
  readonly from: Contents | undefined
  readonly to: Contents | undefined
}

interface Contents {
  readonly columns: readonly string[]
  readonly rows: string
  /** The same for the same rows in any order. */
  readonly checksum: string
}

// What has been applied where is each database's own history.
const leftOut = '_prisma_migrations'

/**
 * Counts and checksums of every table of two databases, each read in one snapshot (I8; properties
 * P33, P36). Nothing is written. `onTable` hears of each table as soon as it is compared.
 */
export async function compareDatabases(
  urls: { readonly from: string; readonly to: string },
  onTable: (comparison: TableComparison) => void,
): Promise<readonly TableComparison[]> {
  await using from = await openSnapshot(urls.from)
  await using to = await openSnapshot(urls.to)
  const tables = [...new Set([...(await from.tables()), ...(await to.tables())])].sort()
  const comparisons: TableComparison[] = []
  for (const table of tables) {
    const [left, right] = await Promise.all([from.contents(table), to.contents(table)])
    const comparison = { table, from: left, to: right }
    onTable(comparison)
    comparisons.push(comparison)
  }
  return comparisons
}

export function isEqual({ from, to }: TableComparison): boolean {
  return JSON.stringify(from) === JSON.stringify(to)
}

async function openSnapshot(url: string) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  await client.connect()
  // The same text of a value on both servers, whatever their settings.
  await client.query(`SET timezone = 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 3;
    SET bytea_output = 'hex'; SET intervalstyle = 'iso_8601'; SET statement_timeout = 0`)
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  return {
    tables: () => readTables(client),
    contents: (table: string) => readContents(client, table),
    [Symbol.asyncDispose]: () => client.end(),
  }
}

async function readTables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> $1`,
    [leftOut],
  )
  return rows.map(({ name }) => name)
}

async function readContents(client: pg.Client, table: string): Promise<Contents | undefined> {
  const found = await client.query<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name = $1 ORDER BY column_name`,
    [table],
  )
  const columns = found.rows.map(({ name }) => name)
  if (columns.length === 0) return undefined
  const row = columns.map(name => client.escapeIdentifier(name)).join(', ')
  const { rows } = await client.query<{ rows: string; checksum: string }>(
    `SELECT count(*)::text AS rows,
       coalesce(sum(hashtextextended(row_text, 0)::numeric), 0)::text AS checksum
     FROM (SELECT ROW(${row})::text AS row_text FROM public.${client.escapeIdentifier(table)}) t`,
  )
  return rows[0] && { columns, ...rows[0] }
}
