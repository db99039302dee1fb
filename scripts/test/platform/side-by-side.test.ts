import t from 'tap'
import { findViolations } from '@funmagic/ledger/proof'
import { taskSettlements } from '@funmagic/task/settlement'
import { Client, makePicture } from './client.ts'
import { until } from './platform.ts'
import { groups, startTwoReleases, steering, type Group, type TwoReleases } from './two-releases.ts'

// N and N−1 at once (O6, P3): one database, one Redis, the same files, one balancer.
// .github/scripts/side-by-side.sh makes the checkout of the release before.
const checkout = process.env['PREVIOUS_RELEASE']
const skip = checkout === undefined && 'PREVIOUS_RELEASE names no checkout of an earlier commit'
const ways: readonly (readonly [here: Group, there: Group])[] = [
  ['stable', 'beta'],
  ['beta', 'stable'],
]
const roundsMax = 20

t.setTimeout(600_000)

let opened: Promise<TwoReleases> | undefined

function open(): Promise<TwoReleases> {
  opened ??= startTwoReleases(t, checkout ?? '')
  return opened
}

/** The same user at both groups. */
async function newUser(edge: string, here: Group): Promise<Record<Group, Client>> {
  const clients = { stable: new Client(edge), beta: new Client(edge, steering.beta) }
  await clients[here].signUp()
  for (const group of groups) clients[group].cookie = clients[here].cookie
  return clients
}

/** Which release's worker has run the task, by their logs. */
async function runnerOf({ workerLog }: TwoReleases, taskId: string): Promise<Group> {
  let runner: Group | undefined
  await until(async () => {
    for (const group of groups) if ((await workerLog(group)).includes(taskId)) runner = group
    return runner !== undefined
  }, `a worker has written of ${taskId}`)
  if (runner === undefined) throw new Error('nobody ran the task')
  return runner
}

t.test('the release before answers while the schema grows under it', { skip }, async t => {
  const { answersMeanwhile } = await open()

  t.ok(answersMeanwhile.length > 0, `${answersMeanwhile.length} requests`)
  t.same(new Set(answersMeanwhile), new Set([200]))
})

t.test('each group answers by itself, and says who it is once', { skip }, async t => {
  const { edge } = await open()

  for (const group of groups) {
    const { headers, body } = await new Client(edge, steering[group]).send('GET', '/api/tools')
    t.equal(headers.get('x-served-by'), group)
    t.ok(body.items.length >= 3, `${group} knows the tools`)
  }
})

t.test('a session of one release is one of the other’s, and ends for both', { skip }, async t => {
  const { edge } = await open()

  for (const [here, there] of ways) {
    const user = await newUser(edge, here)
    const at = async (group: Group) =>
      (await user[group].send('GET', '/api/auth/get-session')).body.user?.id

    t.ok(await at(there), `signed up at ${here}, known at ${there}`)
    t.equal(await at(there), await at(here))
    await user[here].send('POST', '/api/auth/sign-out')
    for (const group of groups) user[group].cookie = user[there].cookie
    await until(async () => (await at(there)) === undefined, `signed out at ${there}`)
  }
})

t.test(
  'a task of one release is run by the other’s worker, shown by its stream, paid once',
  { skip },
  async t => {
    const system = await open()
    const picture = await makePicture()
    const seen = new Set<string>()

    for (let round = 0; round < roundsMax && seen.size < 2; round++) {
      for (const [here, there] of ways) {
        const user = await newUser(system.edge, here)
        const asset = await user[here].upload(picture)
        const submitted = await user[here].submit(asset.id)
        const { id } = submitted.body.task
        const frames = await user[there].follow(id)
        const output = (await user[there].task(id)).output?.assets[0]

        t.equal(submitted.headers.get('x-served-by'), here)
        t.equal(frames.at(-1)?.type, 'completed')
        t.equal((await fetch(output?.url ?? '')).status, 200, `${there} shows what came out`)
        t.same(await user[there].balance(), { balance: 95, reservedBalance: 0 })
        if ((await runnerOf(system, id)) === there) seen.add(`${here} to ${there}`)
      }
    }

    t.same(seen, new Set(['stable to beta', 'beta to stable']), 'in both directions')
  },
)

t.test('an asset of one release is published and taken back by the other', { skip }, async t => {
  const { edge } = await open()

  for (const [here, there] of ways) {
    const user = await newUser(edge, here)
    const { id } = await user[here].upload(await makePicture())
    const published = await user[there].send('POST', `/api/assets/${id}/publish`)
    const shared = await new Client(edge, steering[here]).send('GET', `/api/assets/shared/${id}`)
    const back = await user[here].send('POST', `/api/assets/${id}/unpublish`)
    const gone = await new Client(edge, steering[there]).send('GET', `/api/assets/shared/${id}`)

    t.equal(published.status, 200, `${there} publishes what was uploaded at ${here}`)
    t.equal(shared.status, 200)
    t.equal(back.status, 200, `${here} takes it back`)
    t.equal(gone.status, 404)
  }
})

t.test('tasks of both at once: all end, and the books are right', { skip }, async t => {
  const { edge, database } = await open()
  const user = await newUser(edge, 'stable')
  const asset = await user.stable.upload(await makePicture())
  const submitted = await Promise.all(
    Array.from({ length: 12 }, (_, turn) =>
      user[turn % 2 === 0 ? 'stable' : 'beta'].submit(asset.id),
    ),
  )

  await until(async () => {
    const tasks = await Promise.all(submitted.map(({ body }) => user.beta.task(body.task.id)))
    if (tasks.some(({ status }) => status === 'failed')) throw new Error('a task has failed')
    return tasks.every(({ status }) => status === 'completed')
  }, 'all tasks have been completed')

  t.same(await user.stable.balance(), { balance: 100 - 12 * 5, reservedBalance: 0 })
  t.same(await findViolations(database, taskSettlements), [])
})
