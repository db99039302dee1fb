import { randomBytes, randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import pg from 'pg'
import { openDatabase, type Database } from './client.ts'
import { applyMigrations, migrationsDigest } from './migrate.ts'

/** The part of node-tap's test object that a fixture needs. */
interface Teardown {
  teardown(work: () => unknown): void
}

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
    const template = await ensureTemplate(client, serverUrl)
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`)
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

/** One template per state of the migrations; it is marked as such only when it is complete. */
async function ensureTemplate(client: pg.Client, serverUrl: string): Promise<string> {
  const name = `funmagic_template_${(await migrationsDigest()).slice(0, 16)}`
  const found = await client.query<{ datistemplate: boolean }>(
    'SELECT datistemplate FROM pg_database WHERE datname = $1',
    [name],
  )
  if (found.rows[0]?.datistemplate === true) return name
  if (found.rowCount === 1) await client.query(`DROP DATABASE ${name} WITH (FORCE)`)
  await client.query(`CREATE DATABASE ${name}`)
  await applyMigrations(databaseUrl(serverUrl, name))
  await client.query(`ALTER DATABASE ${name} IS_TEMPLATE true`)
  return name
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

// Below those that Linux gives to connections (ip_local_port_range), any of which may take one that
// was free a moment ago; and above those of the whole platforms that tests start.
const portMin = 28_000
const portMax = 32_000
const portTriesMax = 100

/** A port for a server of the test's own, on 127.0.0.1. */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < portTriesMax; tries++) {
    const port = randomInt(portMin, portMax)
    const listener = createServer()
    const isFree = await new Promise<boolean>(resolve => {
      listener.once('error', () => resolve(false))
      listener.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(true))
    })
    if (!isFree) continue
    await new Promise(resolve => listener.close(resolve))
    return port
  }
  throw new Error(`none of ${portTriesMax} ports is free`)
}
