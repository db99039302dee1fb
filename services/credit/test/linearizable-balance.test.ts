import { newId, type ReservationId, type UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { postEntry } from '@funmagic/ledger/entries'
import { grantCredits } from '@funmagic/ledger/grants'
import { confirm, release, reserve } from '@funmagic/ledger/reservations'
import t from 'tap'
import { findImpossibleReads, type Holding, type Read, type Write } from './balance-register.ts'
import { openCreditApp } from './credit-app.ts'

t.setTimeout(600_000)

const usersCount = 3
const lanesPerUser = 2
const writesPerLane = 30
const startCredits = 1_000
const lastCredits = 5_000
const dayMs = 86_400_000

const { app, database, addUser } = await openCreditApp(t)
const url = await app.listen({ host: '127.0.0.1', port: 0 })
const users = await Promise.all(
  Array.from({ length: usersCount }, () => addUser({ credits: startCredits })),
)
type User = (typeof users)[number]

/** Of each write, by the type and the reference of its entry. */
const times = new Map<string, Pick<Write, 'sentAtMs' | 'committedAtMs'>>()

t.test('a balance read beside writes is that of one moment of the read (M14)', async t => {
  const seed = Number(process.env['BALANCE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`BALANCE_SEED=${seed}`)

  const first = await Promise.all(users.map(readOnce))
  const between = await Promise.all(users.map((user, place) => useAccount(user, seed + place * 97)))
  const last = await Promise.all(users.map(readOnce))

  const chains = await readChains()
  const reads = [...first, ...between.flat(), ...last]
  t.ok(reads.length >= 64, `${reads.length} reads`)
  t.same(findImpossibleReads(chains, reads), [])

  const answered = (asked: readonly Read[], by: readonly Read[]) =>
    asked.map((read, place) => ({ ...read, ...holdingOf(by[place]) }))
  const stale = answered(last, first)
  t.same(findImpossibleReads(chains, [...reads, ...stale]), stale, 'a cache would be found')
  const early = answered(first, last)
  t.same(findImpossibleReads(chains, [...reads, ...early]), early, 'and what is not written yet')
  const torn = last.map(read => ({ ...read, reservedBalance: read.reservedBalance + 1_000 }))
  t.same(findImpossibleReads(chains, [...reads, ...torn]), torn, 'and parts of two moments')
})

/** Reads go on until the last write of the account has been answered, and after each write. */
async function useAccount(user: User, seed: number): Promise<Read[]> {
  const reads: Read[] = []
  const ended = new AbortController()
  const readers = Array.from({ length: lanesPerUser }, async () => {
    while (!ended.signal.aborted) reads.push(await readOnce(user))
  })
  const writers = Array.from({ length: lanesPerUser }, async (_, lane) => {
    for await (const _written of writesOf(user.user.id, xorshift(seed + lane + 1))) {
      reads.push(await readOnce(user))
    }
  })
  const writing = Promise.all(writers)
    .then(() => addCredits(user.user.id, lastCredits))
    .finally(() => ended.abort())
  // As many as there are lanes.
  await Promise.all([writing, ...readers])
  return reads
}

async function readOnce({ user, cookie }: User): Promise<Read> {
  const startedAtMs = performance.now()
  const response = await fetch(`${url}/api/credits`, { headers: { cookie } })
  const text = await response.text()
  const endedAtMs = performance.now()
  if (response.status !== 200) throw new Error(`${response.status} ${text}`)
  // By the contract of the API.
  const holding = holdingOf(JSON.parse(text) as Holding)
  return { userId: user.id, ...holding, startedAtMs, endedAtMs }
}

function holdingOf(one: Holding | undefined): Holding {
  if (one === undefined) throw new Error('there is no such read')
  return { balance: one.balance, reservedBalance: one.reservedBalance }
}

/** One after the other, of all kinds; what is held is settled by the lane that held it. */
async function* writesOf(userId: UserId, random: () => number): AsyncGenerator<void> {
  const open: Hold[] = []
  for (let place = 0; place < writesPerLane; place++) {
    const amount = 1 + (random() % 7)
    const choice = random() % 6
    const held = choice < 3 ? open.shift() : undefined
    if (held !== undefined && choice === 0) {
      await timed(`release:${held.referenceId}`, tx => release(tx, held.id))
    } else if (held !== undefined) {
      await timed(`spend:${held.referenceId}`, tx => confirm(tx, held.id, 1))
    } else if (choice === 3) {
      await addGrant(userId, amount)
    } else if (choice === 4) {
      await addCredits(userId, amount)
    } else {
      open.push(await hold(userId, amount))
    }
    yield
  }
}

interface Hold {
  readonly id: ReservationId
  readonly referenceId: string
}

async function hold(userId: UserId, amount: number): Promise<Hold> {
  const referenceId = newId()
  const deadlineAt = new Date(Date.now() + dayMs)
  const reservation = { userId, referenceId, amount, deadlineAt }
  const { reservationId: id } = await timed(`reservation:${referenceId}`, tx =>
    reserve(tx, reservation),
  )
  return { id, referenceId }
}

async function addCredits(userId: UserId, amount: number): Promise<void> {
  const entry = { userId, type: 'bonus', amount, referenceId: newId() } as const
  await timed(`bonus:${entry.referenceId}`, tx => postEntry(tx, entry))
}

async function addGrant(userId: UserId, amount: number): Promise<void> {
  const grant = { userId, kind: 'promotion', amount, referenceId: newId() } as const
  const expiresAt = new Date(Date.now() + dayMs)
  await timed(`bonus:grant:${grant.referenceId}`, tx => grantCredits(tx, { ...grant, expiresAt }))
}

async function timed<Result>(
  entry: string,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const sentAtMs = performance.now()
  const result = await inTransaction(database, work)
  times.set(entry, { sentAtMs, committedAtMs: performance.now() })
  return result
}

async function readChains(): Promise<Map<UserId, Write[]>> {
  const { rows } = await database.query<Holding & { userId: UserId; entry: string }>(sql`
    SELECT user_id AS "userId", type || ':' || reference_id AS entry, balance_after AS balance,
      reserved_after AS "reservedBalance"
    FROM credit_transactions ORDER BY user_id, seq`)
  const before = { sentAtMs: Number.NEGATIVE_INFINITY, committedAtMs: Number.NEGATIVE_INFINITY }
  const chains = new Map(users.map(({ user }) => [user.id, Array<Write>()]))
  for (const { userId, entry, ...holding } of rows) {
    const isStart = entry === `bonus:signup:${userId}`
    const time = isStart ? before : times.get(entry)
    if (time === undefined) throw new Error(`nobody wrote ${entry}`)
    chains.get(userId)?.push({ ...holding, ...time })
  }
  return chains
}

/** Marsaglia's generator: the same numbers for the same seed. */
function xorshift(seed: number): () => number {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
