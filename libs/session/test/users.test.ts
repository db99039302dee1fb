import { createTestDatabase } from '@funmagic/database/testing'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import t from 'tap'
import { addCredential, createUser, findCredential, toUserView } from '../src/users.ts'

const { database } = await createTestDatabase(t)

t.test('of twenty who ask for one email at a time, one gets it', async t => {
  const attempts = Array.from({ length: 20 }, (_, n) =>
    inTransaction(database, tx => createUser(tx, { email: 'one@example.test', name: `n${n}` })),
  )

  const results = await Promise.allSettled(attempts)

  t.equal(results.filter(result => result.status === 'fulfilled').length, 1)
  for (const result of results) {
    if (result.status === 'rejected') t.match(result.reason, { code: 'USER_ALREADY_EXISTS' })
  }
})

t.test('a credential is found by email with its hash and nothing else of the row', async t => {
  const user = await inTransaction(database, async tx => {
    const created = await createUser(tx, { email: 'ada@example.test', name: 'Ada' })
    await addCredential(tx, { userId: created.id, passwordHash: '$argon2id$x' })
    return created
  })

  const credential = await findCredential(database, 'ada@example.test')

  t.same(credential, { user, passwordHash: '$argon2id$x' })
  t.equal(await findCredential(database, 'nobody@example.test'), undefined)
})

t.test('a user who only signs in elsewhere has no hash', async t => {
  await createUser(database, { email: 'social@example.test', name: 'Social' })

  t.match(await findCredential(database, 'social@example.test'), { passwordHash: null })
})

t.test('a suspended user is found as such', async t => {
  await createUser(database, { email: 'susp@example.test', name: 'S' })
  await database.query(sql`UPDATE users SET suspended_at = now() WHERE email = 'susp@example.test'`)

  t.match(await findCredential(database, 'susp@example.test'), { user: { isSuspended: true } })
})

t.test('names are kept in composed form, without the space around them', async t => {
  const user = await createUser(database, { email: 'zoe@example.test', name: ' Zoe\u0308 ' })

  t.match(toUserView(user), { name: 'Zo\u00eb', role: 'user', image: null, emailVerified: false })
})
