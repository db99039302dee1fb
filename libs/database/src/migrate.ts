import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { readFile, readdir } from 'node:fs/promises'
import { join, dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as engine from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'
import { serverAt } from './server.ts'

const packageFolder = join(import.meta.dirname, '..')
const migrationsFolder = join(packageFolder, 'prisma/migrations')
const schemaFolder = join(packageFolder, 'prisma/schema')
const filters = { externalTables: [], externalEnums: [] }
const migrationLockKey = 7_262_310_419
const turnTimeoutMs = 60_000
const turnPauseMs = 50

/**
 * Applies the migrations that the database has not seen, in order, with Prisma's own schema
 * engine (decision 4); returns their names. Two runs at once are serialized by an advisory lock.
 */
export async function applyMigrations(url: string): Promise<string[]> {
  const client = new pg.Client(serverAt(url))
  await client.connect()
  try {
    await takeTurn(client)
    await using opened = await openEngine(url)
    const migrationsList = await readMigrations()
    const applied = await opened.schemaEngine.applyMigrations({ migrationsList, filters })
    return applied.appliedMigrationNames
  } finally {
    await client.end()
  }
}

/**
 * Asks again and again instead of waiting in the lock: CREATE INDEX CONCURRENTLY of the run that
 * has it waits for every statement under way, and the two would wait for each other.
 */
async function takeTurn(client: pg.Client): Promise<void> {
  const giveUpAtMs = performance.now() + turnTimeoutMs
  while (performance.now() < giveUpAtMs) {
    const { rows } = await client.query<{ taken: boolean }>(
      'SELECT pg_try_advisory_lock($1) AS taken',
      [migrationLockKey],
    )
    if (rows[0]?.taken) return
    await wait(turnPauseMs)
  }
  throw new Error(`another run has been migrating for ${turnTimeoutMs} ms`)
}

/**
 * The SQL that leads from an empty database to schema.prisma. Prisma's engine cannot read a
 * PostgreSQL 18 back through its adapter, so the next migration is written from the difference
 * of this script before and after a change.
 */
export async function schemaScript(url: string): Promise<string> {
  await using opened = await openEngine(url)
  const result = await opened.schemaEngine.diff({
    from: { tag: 'empty' },
    to: { tag: 'schemaDatamodel', files: await readSchema() },
    script: true,
    exitCode: null,
    filters,
  })
  return result.stdout ?? ''
}

// @types/node leaves this global to the DOM library, which a server does not include.
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ instance: { exports: { readonly __wbindgen_start?: () => void } } }>
}

let isLoaded = false

interface OpenedEngine extends AsyncDisposable {
  readonly schemaEngine: engine.SchemaEngine
}

async function openEngine(url: string): Promise<OpenedEngine> {
  if (!isLoaded) await loadEngine()
  const factory = new WholeScriptPg(serverAt(url))
  const datamodels = (await readSchema()).map((file): [string, string] => [file.path, file.content])
  const schemaEngine = await engine.SchemaEngine.new(
    { datamodels },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(factory),
  )
  return { schemaEngine, [Symbol.asyncDispose]: () => factory.disposeAll() }
}

/**
 * Prisma's adapter cuts a script at every semicolon, which breaks function bodies; Postgres runs
 * a whole script by itself, in one implicit transaction. Guarded by migrate.test.ts.
 */
class WholeScriptPg extends PrismaPg {
  readonly #adapters: Adapter[] = []

  override async connect() {
    return this.#keep(await super.connect())
  }

  /** The engine leaves its pools open, which would keep a database from being copied or dropped. */
  async disposeAll(): Promise<void> {
    // The engine opens one or two.
    await Promise.all(this.#adapters.splice(0).map(adapter => adapter.dispose()))
  }

  #keep(adapter: Adapter): Adapter {
    adapter.executeScript = async script => {
      await adapter.underlyingDriver().query(script)
    }
    this.#adapters.push(adapter)
    return adapter
  }
}

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>

/** The package ships bindings for bundlers; here the two halves are joined by hand. */
async function loadEngine(): Promise<void> {
  const entry = createRequire(import.meta.url).resolve(
    '@prisma/schema-engine-wasm/schema_engine_bg',
  )
  const wasm = await readFile(join(dirname(entry), 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(wasm, {
    './schema_engine_bg.js': { ...engine, ...unreferencedTimers() },
  })
  engine.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start?.()
  isLoaded = true
}

/** The engine never clears its 10 s lock timer, which would keep a finished process alive. */
function unreferencedTimers(): Record<string, (work: () => void, ms: number) => unknown> {
  const names = Object.keys(engine).filter(name => name.startsWith('__wbg_setTimeout_'))
  return Object.fromEntries(
    names.map(name => [name, (work: () => void, ms: number) => setTimeout(work, ms).unref()]),
  )
}

async function readSchema(): Promise<{ path: string; content: string }[]> {
  const names = (await readdir(schemaFolder)).filter(name => name.endsWith('.prisma')).sort()
  // As many as there are nouns.
  return Promise.all(
    names.map(async name => ({
      path: join(schemaFolder, name),
      content: await readFile(join(schemaFolder, name), 'utf8'),
    })),
  )
}

/** Changes whenever a migration does; test templates are named by it. */
export async function migrationsDigest(): Promise<string> {
  const { migrationDirectories } = await readMigrations()
  return createHash('sha256').update(JSON.stringify(migrationDirectories)).digest('hex')
}

async function readMigrations(): Promise<engine.MigrationList> {
  const entries = await readdir(migrationsFolder, { withFileTypes: true })
  const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
  // Small files of this package, one per migration.
  const migrationDirectories = await Promise.all(
    names.sort().map(async name => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: {
          tag: 'ok' as const,
          value: await readFile(join(migrationsFolder, name, 'migration.sql'), 'utf8'),
        },
      },
    })),
  )
  const lockfile = await readFile(join(migrationsFolder, 'migration_lock.toml'), 'utf8')
  return {
    baseDir: migrationsFolder,
    lockfile: { path: 'migration_lock.toml', content: lockfile },
    shadowDbInitScript: '',
    migrationDirectories,
  }
}
