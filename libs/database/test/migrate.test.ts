import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { applyMigrations, schemaScript } from '../src/migrate.ts'

async function setup(t: { teardown(work: () => unknown): void }) {
  const server = process.env['DATABASE_URL'] ?? ''
  const name = `test_migrate_${randomBytes(4).toString('hex')}`
  const admin = new pg.Client({ connectionString: server })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  t.teardown(async () => {
    await client.end()
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await admin.end()
  })
  return { url: url.href, client }
}

t.test('an empty database gets every migration once, and a second run changes nothing', async t => {
  const { url, client } = await setup(t)

  const first = await applyMigrations(url)
  const second = await applyMigrations(url)

  t.ok(first.length > 0)
  t.same(second, [])
  const rows = await client.query('SELECT migration_name FROM _prisma_migrations')
  t.equal(rows.rowCount, first.length)
})

t.test('two runs at once apply each migration once', async t => {
  const { url } = await setup(t)

  const [one, other] = await Promise.all([applyMigrations(url), applyMigrations(url)])

  t.not(one.length === 0, other.length === 0, 'one of the two did the work')
})

t.test('function bodies with semicolons arrive whole', async t => {
  const { url, client } = await setup(t)

  await applyMigrations(url)

  const found = await client.query(`SELECT 1 FROM pg_proc WHERE proname = 'guard_task_transition'`)
  t.equal(found.rowCount, 1)
})

const shapeOfDatabase = `
  SELECT table_name, column_name, udt_name, is_nullable, column_default
  FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%'
  UNION ALL
  SELECT conrelid::regclass::text, conname, contype::text, '', pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f')
  UNION ALL
  SELECT typname, enumlabel, '', '', '' FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
  UNION ALL
  SELECT tablename, indexname, '', '', indexdef FROM pg_indexes
  WHERE schemaname = 'public' AND tablename NOT LIKE '\\_%'`

t.test('the migrations make everything that the Prisma schema says', async t => {
  const migrated = await setup(t)
  const declared = await setup(t)
  await applyMigrations(migrated.url)
  await declared.client.query(await schemaScript(declared.url))

  const shapes = await Promise.all(
    [migrated, declared].map(async ({ client }) => {
      const { rows } = await client.query(shapeOfDatabase)
      return new Set(rows.map(row => JSON.stringify(row)))
    }),
  )

  t.same(
    [...(shapes[1] ?? [])].filter(line => !shapes[0]?.has(line)),
    [],
  )
})
