import t from 'tap'
import { createPasswords } from '../src/password.ts'

const passwords = await createPasswords()

t.test('a password matches its own hash alone', async t => {
  const hash = await passwords.hash('correct horse')

  t.equal(await passwords.verify('correct horse', hash), true)
  t.equal(await passwords.verify('correct hors', hash), false)
  t.equal(await passwords.verify('correct horse', null), false)
  t.equal(await passwords.verify('correct horse', undefined), false)
  t.not(await passwords.hash('correct horse'), hash, 'each hash has a salt of its own')
})

t.test('the two ways to type an accent are one password', async t => {
  const hash = await passwords.hash('Zo\u00eb-Zo\u00eb-Zo\u00eb')

  t.equal(await passwords.verify('Zoe\u0308-Zoe\u0308-Zoe\u0308', hash), true)
})

t.test('a flood is refused beyond a bound, and what waited is served', async t => {
  const attempts = Array.from({ length: 60 }, () => passwords.hash('correct horse'))

  const results = await Promise.allSettled(attempts)

  const refused = results.filter(result => result.status === 'rejected')
  t.equal(refused.length, 60 - 2 - 32)
  for (const { reason } of refused) t.match(reason, { code: 'OVERLOADED', retryAfterSeconds: 1 })
  t.equal(await passwords.verify('correct horse', await passwords.hash('correct horse')), true)
})

t.test('a hash that cannot be read frees its place', async t => {
  for (let n = 0; n < 5; n++) await t.rejects(passwords.verify('correct horse', 'no hash'))

  t.match(await passwords.hash('correct horse'), /^\$argon2id\$/)
})
