import { createRequire } from 'node:module'
import { readFile, readdir } from 'node:fs/promises'
import { join, dirname } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as engine from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'

const packageFolder = join(import.meta.dirname, '..')
const migrationsFolder = join(packageFolder, 'prisma/migrations')
const schemaFolder = join(packageFolder, 'prisma/schema')
const filters = { externalTables: [], externalEnums: [] }
const migrationLockKey = 7_262_310_419

/**
 * Applies the migrations that the database has not seen, in order, with Prisma's own schema
 * engine (decision 4); returns their names. Two runs at once are serialized by an advisory lock.
 */
export async function applyMigrations(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`SET lock_timeout = '60s'`)
    await client.query('SELECT pg_advisory_lock($1)', [migrationLockKey])
    const schemaEngine = await openEngine(url)
    const applied = await schemaEngine.applyMigrations({
      migrationsList: await readMigrations(),
      filters,
    })
    return applied.appliedMigrationNames
  } finally {
    await client.end()
  }
}

/**
 * What schema.prisma says and the migrations do not yet do, as SQL; the start of the next
 * migration. The migrations are replayed in a shadow database beside the one at `url`.
 */
export async function pendingScript(url: string): Promise<string> {
  const schemaEngine = await openEngine(url)
  const result = await schemaEngine.diff({
    from: { tag: 'migrations', ...(await readMigrations()) },
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
  ): Promise<{ instance: { exports: Record<string, unknown> } }>
}

let isLoaded = false

async function openEngine(url: string): Promise<engine.SchemaEngine> {
  if (!isLoaded) await loadEngine()
  const adapter = bindMigrationAwareSqlAdapterFactory(new WholeScriptPg({ connectionString: url }))
  const datamodels = (await readSchema()).map((file): [string, string] => [file.path, file.content])
  return engine.SchemaEngine.new({ datamodels }, () => undefined, adapter)
}

/**
 * Prisma's adapter cuts a script at every semicolon, which breaks function bodies; Postgres runs
 * a whole script by itself, in one implicit transaction. Guarded by migrate.test.ts.
 */
class WholeScriptPg extends PrismaPg {
  override async connect() {
    return runWholeScripts(await super.connect())
  }

  override async connectToShadowDb() {
    return runWholeScripts(await super.connectToShadowDb())
  }
}

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>

function runWholeScripts(adapter: Adapter): Adapter {
  adapter.executeScript = async script => {
    await adapter.underlyingDriver().query(script)
  }
  return adapter
}

/** The package ships bindings for bundlers; here the two halves are joined by hand. */
async function loadEngine(): Promise<void> {
  const entry = createRequire(import.meta.url).resolve(
    '@prisma/schema-engine-wasm/schema_engine_bg',
  )
  const wasm = await readFile(join(dirname(entry), 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(wasm, {
    './schema_engine_bg.js': { ...engine },
  })
  engine.__wbg_set_wasm(instance.exports)
  const start = instance.exports['__wbindgen_start']
  if (typeof start === 'function') start()
  isLoaded = true
}

async function readSchema(): Promise<{ path: string; content: string }[]> {
  const names = (await readdir(schemaFolder)).filter(name => name.endsWith('.prisma')).sort()
  return Promise.all(
    names.map(async name => ({
      path: join(schemaFolder, name),
      content: await readFile(join(schemaFolder, name), 'utf8'),
    })),
  )
}

async function readMigrations(): Promise<engine.MigrationList> {
  const entries = await readdir(migrationsFolder, { withFileTypes: true })
  const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
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
