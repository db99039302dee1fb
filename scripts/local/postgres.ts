import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { ChildPlan } from './child.ts'
import type { PostgresHome } from './postgres-home.ts'
import { Refusal } from './refusal.ts'

export interface PostgresOptions {
  readonly home: PostgresHome
  readonly port: number
  readonly password: string
  readonly connectionsMax: number
  /** Off only for tests: a crash of the machine may then corrupt the data. */
  readonly isDurable: boolean
}

const postgresUser = 'funmagic'
const postgresDatabase = 'funmagic'
const initdbTimeoutMs = 60_000
const connectTimeoutMs = 2_000
const stopDeadlineMs = 15_000

export function postgresUrl(port: number, password: string, database = postgresDatabase): string {
  return `postgres://${postgresUser}:${password}@127.0.0.1:${port}/${database}`
}

/** Makes the data folder at the first start; later it only looks whether the versions fit. */
export async function preparePostgres({ home, password }: PostgresOptions): Promise<void> {
  const versionFile = join(home.data, 'PG_VERSION')
  if (existsSync(versionFile)) return requireSameMajor(home, versionFile)
  // Made beside and renamed, so that an interrupted start leaves no half of it.
  const draft = join(home.folder, 'draft')
  const passwordFile = join(home.folder, 'password')
  await rm(draft, { recursive: true, force: true })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (home.user !== undefined) await chown(passwordFile, home.user.uid, home.user.gid)
  const failure = runInitdb(home, draft, passwordFile)
  await rm(passwordFile, { force: true })
  if (failure !== undefined) {
    throw new Refusal(`Postgres could not make its data folder ${home.data}:\n${failure}`)
  }
  await rename(draft, home.data)
}

function runInitdb(home: PostgresHome, folder: string, passwordFile: string): string | undefined {
  const parameters = [
    `--pgdata=${folder}`,
    `--username=${postgresUser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Built into Postgres, so that every machine sorts alike.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    // Nothing of value is in it yet, and waiting for the disk takes most of the time.
    '--no-sync',
  ]
  const { status, stderr, error } = spawnSync(join(home.binaries, 'initdb'), parameters, {
    cwd: home.folder,
    env: postgresEnvironment(),
    timeout: initdbTimeoutMs,
    encoding: 'utf8',
    ...home.user,
  })
  return status === 0 ? undefined : (error?.message ?? stderr)
}

export function postgresPlan(options: PostgresOptions): ChildPlan {
  const { home } = options
  const settings = {
    port: options.port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: options.connectionsMax,
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(options.isDurable
      ? {}
      : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return {
    name: 'postgres',
    command: join(home.binaries, 'postgres'),
    parameters: ['-D', home.data, ...flags],
    environment: postgresEnvironment(),
    folder: home.data,
    user: home.user,
    // Fast shutdown: sessions are ended, everything committed is kept.
    stopSignal: 'SIGINT',
    stopDeadlineMs,
  }
}

/** Connects once; throws while the server is not ready. A wrong password is a Refusal. */
export async function checkPostgres(port: number, password: string): Promise<void> {
  const connectionString = postgresUrl(port, password, 'postgres')
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: connectTimeoutMs })
  try {
    await client.connect()
    await client.query('SELECT 1')
  } catch (error) {
    if (isWrongPassword(error)) {
      throw new Refusal(
        'Postgres does not accept the password in .local/secrets.json: the data were made with ' +
          'other secrets.\nBring that file back, or begin anew with `npm run reset`.',
        { cause: error },
      )
    }
    throw error
  } finally {
    await client.end()
  }
}

/** Creates the database if it is not there. */
export async function ensureDatabase(port: number, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgresUrl(port, password, 'postgres') })
  await client.connect()
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [
      postgresDatabase,
    ])
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${postgresDatabase}`)
  } finally {
    await client.end()
  }
}

/** The process that holds the data folder, by the first line of postmaster.pid. */
export async function readPostgresPid(data: string): Promise<number | undefined> {
  const file = join(data, 'postmaster.pid')
  if (!existsSync(file)) return undefined
  const pid = Number.parseInt(await readFile(file, 'utf8'), 10)
  return Number.isInteger(pid) && pid > 0 ? pid : undefined
}

async function requireSameMajor(home: PostgresHome, versionFile: string): Promise<void> {
  const made = (await readFile(versionFile, 'utf8')).trim()
  const options = { cwd: home.data, encoding: 'utf8', ...home.user } as const
  const { stdout } = spawnSync(join(home.binaries, 'postgres'), ['--version'], options)
  const own = /(\d+)/.exec(stdout)?.[1]
  if (own === made) return
  throw new Refusal(
    `The data in ${home.data} were made by PostgreSQL ${made}; the packaged one is ${own}.\n` +
      'Begin anew with `npm run reset`, or go back to the version of the project that made them.',
  )
}

/** Its own variables only: PGDATA or LC_ALL of the shell must not reach the server. */
function postgresEnvironment(): Record<string, string> {
  return { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
}

function isWrongPassword(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '28P01'
}
