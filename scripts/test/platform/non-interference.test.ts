import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { sql } from '@funmagic/database/sql'
import { accessMatrix } from './access-matrix.ts'
import { callOf, send, setScene } from './access-scene.ts'
import { startPlatform, until } from './platform.ts'

// Many processes on few cores.
t.setTimeout(300_000)

const platform = await startPlatform(t)
const { addresses, database } = platform
const scene = await setScene(platform)
const victim = scene.ids.user
const canary = `canary${randomBytes(8).toString('hex')}`
const idempotencyKey = `${canary}-key`

/** Something of the victim's own in every text that a user can write, and a task with words. */
async function plant(): Promise<void> {
  const { own } = scene.callers
  const body = { toolSlug: 'figme', input: { prompt: canary } }
  const submitted = await own.send('POST', '/api/tasks', body, {
    'idempotency-key': idempotencyKey,
  })
  if (submitted.status !== 201) throw new Error(JSON.stringify(submitted.body))
  const taskId = submitted.body.task.id
  // Afterwards nothing changes by itself any more.
  await until(async () => (await own.task(taskId)).status === 'completed', 'the task has completed')
  await database.query(sql`
    UPDATE users SET name = ${canary}, image = ${`https://a.test/${canary}`} WHERE id = ${victim}
  `)
  await database.query(sql`UPDATE assets SET filename = ${canary} WHERE user_id = ${victim}`)
}

/** A hash of every row of the victim's, in every table that names a user or a task. */
async function hashRows(): Promise<string> {
  const { rows } = await database.query<{ table: string; column: string }>(sql`
    SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'user_id' ORDER BY 1
  `)
  const hashes: string[] = []
  for (const { table, column } of rows) {
    const text = `SELECT md5(coalesce(string_agg(md5(t::text), '' ORDER BY t::text), '')) AS hash
      FROM "${table}" t WHERE "${column}" = $1`
    const found = await database.pool.query<{ hash: string }>(text, [victim])
    hashes.push(`${table} ${found.rows[0]?.hash}`)
  }
  return hashes.join('\n')
}

await plant()

const routes = Object.entries(accessMatrix).filter(
  ([route, { isLast, isStream, other }]) =>
    route.includes(' /api/') && isLast !== true && isStream !== true && other !== undefined,
)
const victimIds = Object.values(scene.ids)
const someId = fc.constantFrom(...victimIds)
const request = fc.record({
  row: fc.constantFrom(...routes),
  ids: fc.constant(scene.ids),
  swap: fc.option(someId),
  query: fc.constantFrom('', 'cursor', 'taskId', 'userId', 'parentTaskId'),
  isKeyed: fc.boolean(),
  parent: fc.option(someId),
})

t.test('no request of another user shows or changes anything of the victim’s', async t => {
  const { other } = scene.callers
  const before = await hashRows()
  await fc.assert(
    fc.asyncProperty(
      request,
      async ({ row: [route, access], ids, swap, query, isKeyed, parent }) => {
        const named = swap === null ? ids : { ...ids, ...only(access.ids, swap) }
        const call = callOf(route, access, named)
        const parameter = query === '' ? '' : `?${query}=${swap ?? victim}`
        const body = parent === null ? call.body : { ...call.body, parentTaskId: parent }
        const sent = {
          ...call,
          path: call.path + parameter,
          body: hasBody(call) ? body : undefined,
        }
        const headers = {
          cookie: other.cookie,
          ...(isKeyed ? { 'idempotency-key': idempotencyKey } : {}),
        }

        const { status, text } = await send(addresses.edge, sent, headers)

        if (status >= 500) throw new Error(`${route} answered ${status}: ${text}`)
        if (text.includes(canary)) throw new Error(`${route} shows what is another’s: ${text}`)
      },
    ),
    { numRuns: 400 },
  )
  t.equal(await hashRows(), before, 'the rows are what they were')
  const owned = await scene.callers.own.send('GET', '/api/auth/get-session')
  t.equal(owned.body.user.name, canary, 'the owner sees what was looked for')
})

/** The id under every name that the path has. */
function only(names: Readonly<Record<string, string>> | undefined, id: string) {
  return Object.fromEntries(Object.values(names ?? {}).map(subject => [subject, id]))
}

function hasBody({ method }: { method: string }): boolean {
  return method !== 'GET' && method !== 'DELETE'
}
