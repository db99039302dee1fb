import { newId } from '@funmagic/contract/ids'
import { inTransaction } from '@funmagic/database/transaction'
import { postEntry } from '@funmagic/ledger/entries'
import { savePackage } from '@funmagic/ledger/packages'
import { reserve } from '@funmagic/ledger/reservations'
import { createTestUser } from '@funmagic/session/testing'
import t from 'tap'
import { openCreditApp } from './credit-app.ts'

const { app, database, addUser } = await openCreditApp(t)

async function reserveFor(userId: string, amount: number): Promise<void> {
  const deadlineAt = new Date(Date.now() + 60_000)
  const reservation = { userId, referenceId: newId(), amount, deadlineAt }
  await inTransaction(database, tx => reserve(tx, reservation))
}

t.test('the balance tells what can be spent and what is set aside', async t => {
  const { user, cookie } = await addUser({ credits: 100 })
  await reserveFor(user.id, 5)

  const response = await app.inject({ url: '/api/credits', headers: { cookie } })

  t.equal(response.statusCode, 200)
  t.same(response.json(), {
    balance: 95,
    reservedBalance: 5,
    lifetimeEarned: 100,
    lifetimeSpent: 0,
    lifetimePurchased: 0,
  })
})

t.test('a user without an account has nothing, which is no fault', async t => {
  const { cookie } = await createTestUser(database)

  const response = await app.inject({ url: '/api/credits', headers: { cookie } })

  t.equal(response.statusCode, 200)
  t.match(response.json(), { balance: 0, reservedBalance: 0 })
})

t.test('the history is paged newest first, without a gap or a double', async t => {
  const { user, cookie } = await addUser({ credits: 10 })
  for (const amount of [1, 2, 3, 4]) {
    const entry = { userId: user.id, type: 'bonus' as const, amount, referenceId: newId() }
    await inTransaction(database, tx => postEntry(tx, entry))
  }
  const list = (query: string) =>
    app.inject({ url: `/api/credits/transactions?${query}`, headers: { cookie } })

  const first = (await list('limit=3')).json()
  const second = (await list(`limit=3&cursor=${first.nextCursor}`)).json()

  const amounts = [...first.items, ...second.items].map(item => item.amount)
  t.same(amounts, [4, 3, 2, 1, 10])
  t.equal(second.nextCursor, null)
  t.match(first.items[0], { type: 'bonus', balanceAfter: 20, createdAt: /T.*Z$/ })
})

t.test('a history holds nothing of anybody else, and a foreign cursor opens nothing', async t => {
  const owner = await addUser({ credits: 10 })
  const stranger = await addUser({ credits: 20 })
  const list = (cookie: string, query = '') =>
    app.inject({ url: `/api/credits/transactions${query}`, headers: { cookie } })
  const own = (await list(owner.cookie)).json()

  const foreign = await list(stranger.cookie, `?cursor=${own.items[0].id}`)

  t.equal(own.items.length, 1)
  t.equal(foreign.statusCode, 400)
  t.equal(foreign.json().error.code, 'INVALID_CURSOR')
})

t.test('packages on sale are shown to anybody, those off sale to nobody', async t => {
  const offer = { credits: 500, priceCents: 900, currency: 'usd', stripePriceId: null }
  await savePackage(database, { ...offer, name: 'On sale', sortOrder: 1, isActive: true })
  await savePackage(database, { ...offer, name: 'Gone', sortOrder: 0, isActive: false })

  const response = await app.inject({ url: '/api/credits/packages' })

  t.equal(response.statusCode, 200)
  t.match(response.json(), {
    items: [{ name: 'On sale', credits: 500, priceCents: 900, currency: 'usd' }],
    nextCursor: null,
  })
  t.equal(response.json().items.length, 1)
})

t.test('a malformed request gets a 4xx that names the fault', async t => {
  const { cookie } = await addUser()
  const rows: [string, string][] = [
    ['/api/credits/transactions?limit=0', 'VALIDATION_FAILED'],
    ['/api/credits/transactions?limit=101', 'VALIDATION_FAILED'],
    ['/api/credits/transactions?limit=10abc', 'VALIDATION_FAILED'],
    ['/api/credits/transactions?page=2', 'VALIDATION_FAILED'],
    ['/api/credits/transactions?cursor=', 'VALIDATION_FAILED'],
    [`/api/credits/transactions?cursor=${'a'.repeat(513)}`, 'VALIDATION_FAILED'],
    ['/api/credits/transactions?cursor=%27%20OR%201=1', 'INVALID_CURSOR'],
    [`/api/credits/transactions?cursor=${newId()}`, 'INVALID_CURSOR'],
    ['/api/credits/transactions?cursor=%00', 'INVALID_TEXT'],
  ]

  for (const [url, code] of rows) {
    const response = await app.inject({ url, headers: { cookie } })
    t.equal(response.statusCode, 400, url)
    t.equal(response.json().error.code, code, url)
  }
})

t.test('a stranger is told to sign in', async t => {
  for (const url of ['/api/credits', '/api/credits/transactions']) {
    const response = await app.inject({ url })
    t.equal(response.statusCode, 401, url)
    t.equal(response.json().error.code, 'UNAUTHORIZED', url)
  }
})
