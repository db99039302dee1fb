import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { checkMigration, checkMigrations } from '../migrations/check.ts'

const root = join(import.meta.dirname, '../..')
const bounded = "SET lock_timeout = '3s';\n"
const mark = '-- contract since 0.4.0: nothing has read this column since then\n'

function rulesBroken(sql: string): string[] {
  return [...new Set(checkMigration(sql).map(({ rule }) => rule))]
}

t.test('the migrations of this repository leave the release before them working', async t => {
  const { findings } = await checkMigrations(join(root, 'libs/database/prisma/migrations'))

  t.same(findings, [])
})

t.test('what the release before still uses is not taken away', async t => {
  const removals = [
    'DROP TABLE "tasks";',
    'ALTER TABLE "tasks" DROP COLUMN "input";',
    'ALTER TABLE tasks DROP input;',
    'ALTER TABLE "tasks" ADD COLUMN "x" TEXT, DROP COLUMN IF EXISTS "y" CASCADE;',
    'DROP TYPE "task_status";',
    'TRUNCATE "tasks";',
  ]
  for (const sql of removals) t.same(rulesBroken(bounded + sql), ['drop'], sql)
})

t.test('nothing is renamed, not even in a contract step', async t => {
  const renames = [
    'ALTER TABLE "tasks" RENAME COLUMN "input" TO "inputs";',
    'ALTER TABLE tasks RENAME TO jobs;',
    `ALTER TYPE "task_status" RENAME VALUE 'failed' TO 'broken';`,
  ]
  for (const sql of renames) t.same(rulesBroken(bounded + mark + sql), ['rename'], sql)
})

t.test('an existing table gets no column that the release before must fill', async t => {
  const refused = [
    'ALTER TABLE "tasks" ADD COLUMN "kind" TEXT NOT NULL;',
    'ALTER TABLE "tasks" ADD COLUMN "a" TEXT DEFAULT \'x\', ADD COLUMN "b" TEXT NOT NULL;',
    'ALTER TABLE "tasks" ALTER COLUMN "input" SET NOT NULL;',
  ]
  const allowed = [
    'ALTER TABLE "tasks" ADD COLUMN "kind" TEXT;',
    'ALTER TABLE "tasks" ADD COLUMN "kind" TEXT NOT NULL DEFAULT \'image\';',
    'ALTER TABLE "tasks" ADD COLUMN "kind" VARCHAR(9) DEFAULT \'image\' NOT NULL;',
    'ALTER TABLE "tasks" ALTER COLUMN "input" DROP NOT NULL;',
  ]
  for (const sql of refused) t.same(rulesBroken(bounded + sql), ['not-null'], sql)
  for (const sql of allowed) t.same(rulesBroken(bounded + sql), [], sql)
})

t.test('a column keeps its type', async t => {
  t.same(rulesBroken(`${bounded}ALTER TABLE tasks ALTER COLUMN n TYPE BIGINT;`), ['type'])
  t.same(rulesBroken(`${bounded}ALTER TABLE t ALTER "n" SET DATA TYPE BIGINT;`), ['type'])
})

t.test('an index on an existing table is built concurrently and alone', async t => {
  const plain = 'CREATE INDEX "tasks_kind" ON "tasks" ("kind");'
  const concurrent = 'CREATE UNIQUE INDEX CONCURRENTLY "tasks_kind" ON "tasks" ("kind");'

  t.same(rulesBroken(bounded + plain), ['index'])
  t.same(rulesBroken(`${bounded}DROP INDEX "tasks_kind";`), ['index'])
  t.same(rulesBroken(concurrent), [])
  t.same(rulesBroken(bounded + concurrent), ['index-alone'])
  t.same(rulesBroken(`CREATE TABLE notes (id UUID PRIMARY KEY); ${plain}`).sort(), [
    'index',
    'lock-timeout',
  ])
})

t.test('a constraint on an existing table is added without reading the whole of it', async t => {
  const key = 'FOREIGN KEY ("tool_id") REFERENCES "tools"("id")'
  const refused = [
    `ALTER TABLE "tasks" ADD CONSTRAINT "k" ${key};`,
    'ALTER TABLE "tasks" ADD CONSTRAINT "c" CHECK ("n" > 0);',
    'ALTER TABLE "tasks" ADD CONSTRAINT "u" UNIQUE ("n");',
  ]
  const allowed = [
    `ALTER TABLE "tasks" ADD CONSTRAINT "k" ${key} NOT VALID;`,
    'ALTER TABLE "tasks" VALIDATE CONSTRAINT "k";',
    'ALTER TABLE "tasks" ADD CONSTRAINT "u" UNIQUE USING INDEX "tasks_n";',
  ]
  for (const sql of refused) t.same(rulesBroken(bounded + sql), ['constraint'], sql)
  for (const sql of allowed) t.same(rulesBroken(bounded + sql), [], sql)
})

t.test('a default that differs from row to row does not rewrite a table', async t => {
  const column = 'ALTER TABLE "tasks" ADD COLUMN "token" UUID'

  t.same(rulesBroken(`${bounded}${column} DEFAULT gen_random_uuid();`), ['rewrite'])
  t.same(rulesBroken(`${bounded}ALTER TABLE tasks ADD COLUMN n BIGSERIAL;`), ['rewrite'])
  t.same(rulesBroken(`${bounded}${column};`), [])
})

t.test('a migration waits five seconds at most for the lock of an existing table', async t => {
  const column = 'ALTER TABLE "tasks" ADD COLUMN "kind" TEXT;'

  t.same(rulesBroken(column), ['lock-timeout'])
  t.same(rulesBroken(`SET lock_timeout = '60s'; ${column}`), ['lock-timeout'])
  t.same(rulesBroken(`SET lock_timeout = 0; ${column}`), ['lock-timeout'])
  t.same(rulesBroken(`SET LOCAL lock_timeout TO 3000; ${column}`), [])
})

t.test('a contract step names its release and its reason, and opens only what it must', async t => {
  const drop = `${bounded}ALTER TABLE "tasks" DROP COLUMN "input";`

  t.same(rulesBroken(mark + drop), [])
  t.same(rulesBroken(`-- contract\n${drop}`), ['drop', 'contract'])
  t.same(rulesBroken(`-- contract since 0.4.0\n${drop}`), ['drop', 'contract'])
  t.same(rulesBroken(`${mark}CREATE INDEX "a" ON "tasks" ("b");`), ['index', 'lock-timeout'])
  t.same(rulesBroken(`${mark + bounded}ALTER TABLE "tasks" ALTER "n" SET NOT NULL;`), [])
})

t.test('a new table is free, and words in names, strings, bodies and comments are not', async t => {
  const free = `
    CREATE TABLE "notes" ("id" UUID NOT NULL, "rename" TEXT DEFAULT E'it\\'s; DROP TABLE x; ');
    CREATE INDEX "notes_drop" ON "notes" ("rename");
    ALTER TABLE "notes" ADD CONSTRAINT "c" CHECK ("rename" <> 'DROP TABLE tasks;');
    -- DROP TABLE "tasks"; is what this migration does not do
    /* ALTER TABLE "tasks" RENAME TO "jobs"; */
    CREATE FUNCTION "f"() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN DELETE FROM x; DROP TABLE "tasks"; RETURN NEW; END $body$;`

  t.same(rulesBroken(free), [])
})

t.test('the check fails as a command and names the file, the rule and what to do', async t => {
  const folder = t.testdir({
    '20270101000000_worse': { 'migration.sql': 'ALTER TABLE tasks DROP COLUMN input;' },
    '20270102000000_fine': { 'migration.sql': 'CREATE TABLE notes (id UUID PRIMARY KEY);' },
  })
  const script = join(root, 'scripts/check-migrations.ts')
  const run = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' })

  t.equal(run.status, 1)
  t.match(run.stdout, '20270101000000_worse: drop: the release before this one')
  t.match(run.stdout, "lock-timeout: begin with SET lock_timeout = '3s'")
  t.match(run.stdout, '2 migrations checked, 2 to fix')
})
