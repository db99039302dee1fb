import { raw, sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { findTask } from '@funmagic/task/tasks'
import t from 'tap'
import { addUser, get, openGateway, post, submit, submitted } from './gateway-app.ts'
import { countEffects } from './rows.ts'

const gateway = await openGateway(t)
const { database } = gateway
const order = { toolSlug: 'painter', input: { prompt: 'a cat' } }
const written = [
  'credits',
  'credit_reservations',
  'credit_transactions',
  'tasks',
  'task_payloads',
  'task_steps',
  'outbox',
]

await database.query(sql`
  CREATE FUNCTION refuse_for_space() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION USING ERRCODE = 'disk_full',
      MESSAGE = 'could not extend file "base/5/16384": No space left on device';
  END $$`)

/** From now on the table cannot grow: statements fail as they do when the disk is full. */
async function fill(table: string): Promise<void> {
  await database.query(sql`
    CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON ${raw(table)}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_for_space()`)
}

async function makeRoom(table: string): Promise<void> {
  await database.query(sql`DROP TRIGGER full_disk ON ${raw(table)}`)
}

async function readTables(): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(sql`
    SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'`)
  return rows.map(({ name }) => name)
}

for (const table of written) {
  t.test(`a disk that is full at ${table}: 503, nothing is written, the repeat works`, async t => {
    const { user, cookie } = await addUser(gateway)
    const posting = { cookie, key: 'once' }
    await fill(table)

    const refused = await submit(gateway, order, posting)

    t.equal(refused.statusCode, 503)
    t.equal(refused.json().error.code, 'UNAVAILABLE')
    t.match(refused.headers['retry-after'], /^\d+$/)
    t.notMatch(refused.body, /device|base/)
    t.same(await countEffects(database, user.id), { tasks: 0, reservations: 0, wakeUps: 0 })
    t.match(await balanceOf(database, user.id), { balance: 100, reservedBalance: 0 })

    await makeRoom(table)
    t.equal((await submit(gateway, order, posting)).statusCode, 201)
    t.same(await countEffects(database, user.id), { tasks: 1, reservations: 1, wakeUps: 1 })
  })
}

t.test('a disk that is full at the commit: 503, and nothing is written', async t => {
  const { user, cookie } = await addUser(gateway)
  await database.query(sql`
    CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON tasks DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse_for_space()`)

  const refused = await submit(gateway, order, { cookie })
  await makeRoom('tasks')

  t.equal(refused.statusCode, 503)
  t.same(await countEffects(database, user.id), { tasks: 0, reservations: 0, wakeUps: 0 })
  t.equal((await submit(gateway, order, { cookie })).statusCode, 201)
})

t.test('while no table can be written, what is there is read, and goes on afterwards', async t => {
  const owner = await addUser(gateway)
  const { user, cookie } = owner
  const taskId = await submitted(gateway, owner)
  const tables = await readTables()
  for (const table of tables) await fill(table)

  for (const url of ['/api/tools', '/api/tasks', `/api/tasks/${taskId}`]) {
    const response = await get(gateway, url, { cookie })
    t.equal(response.statusCode, 200, `${url} ${response.body}`)
  }
  const refused = await post(gateway, `/api/tasks/${taskId}/cancel`, { cookie })
  t.equal(refused.statusCode, 503)
  t.equal((await findTask(database, { userId: user.id, taskId }))?.status, 'pending')
  t.match(await balanceOf(database, user.id), { balance: 80, reservedBalance: 20 })

  for (const table of tables) await makeRoom(table)
  const canceled = await post(gateway, `/api/tasks/${taskId}/cancel`, { cookie })
  t.equal(canceled.statusCode, 200)
  t.match(await balanceOf(database, user.id), { balance: 100, reservedBalance: 0 })
  t.same(await findViolations(database), [])
})
