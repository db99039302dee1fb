import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { openDatabase, type Database } from './client.ts'
import { applyMigrations } from './migrate.ts'

/** The part of node-tap's test object that a fixture needs. */
interface Teardown {
  teardown(work: () => unknown): void
}

const templateName = 'funmagic_test_template'
const templateLockKey = 7_262_310_420
const poolMax = 8

/**
 * A database of its own for one test file, copied from a migrated template and dropped at the
 * end, so files run in parallel and share nothing. Needs DATABASE_URL of a server where
 * databases may be created.
 */
export async function createTestDatabase(
  t: Teardown,
): Promise<{ database: Database; url: string }> {
  const serverUrl = process.env['DATABASE_URL']
  if (!serverUrl) throw new Error('DATABASE_URL is not set: run the tests with `npm test`')
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`
  await withServer(serverUrl, async client => {
    await client.query('SELECT pg_advisory_lock($1)', [templateLockKey])
    await ensureTemplate(client, serverUrl)
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${templateName}`)
    await client.query('SELECT pg_advisory_unlock($1)', [templateLockKey])
  })
  const url = databaseUrl(serverUrl, name)
  const database = openDatabase({ url, poolMax, applicationName: name })
  t.teardown(async () => {
    await database[Symbol.asyncDispose]()
    await withServer(serverUrl, client => client.query(`DROP DATABASE ${name} WITH (FORCE)`))
  })
  return { database, url }
}

async function ensureTemplate(client: pg.Client, serverUrl: string): Promise<void> {
  const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [templateName])
  if (found.rowCount === 0) await client.query(`CREATE DATABASE ${templateName}`)
  await applyMigrations(databaseUrl(serverUrl, templateName))
}

async function withServer(url: string, work: (client: pg.Client) => Promise<unknown>) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}
