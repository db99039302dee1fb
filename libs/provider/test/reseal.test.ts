import { createCipheriv, randomBytes, scryptSync } from 'node:crypto'
import { newId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import fc from 'fast-check'
import t from 'tap'
import { CredentialError, openCredentials } from '../src/credentials.ts'
import { findProvider, openApiKey, saveProvider } from '../src/providers.ts'
import { resealKeys } from '../src/reseal.ts'

const [oldSecret, newSecret] = ['the old secret key', 'the new secret key']

/** As the older form was written: no salt, no row. */
function sealLegacy(plain: string, secretKey: string, encoding: 'hex' | 'base64'): string {
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-gcm', scryptSync(secretKey, 'salt', 32), iv)
  const encrypted = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return [iv, cipher.getAuthTag(), encrypted].map(part => part.toString(encoding)).join(':')
}

async function addProvider(database: Database, apiKey: string, secretKey = oldSecret) {
  const id = newId()
  const fal = { id, name: `fal ${id}`, type: 'fal', apiKey, baseUrl: null } as const
  await saveProvider(database, await openCredentials(secretKey), fal)
  return id
}

async function sealedOf(database: Database): Promise<string[]> {
  const { rows } = await database.query<{ sealed: string }>(
    sql`SELECT api_key AS sealed FROM providers ORDER BY id`,
  )
  return rows.map(({ sealed }) => sealed)
}

t.test('the older form opens, and asks to be sealed anew', async t => {
  const credentials = await openCredentials(newSecret, oldSecret)

  for (const encoding of ['hex', 'base64'] as const) {
    for (const secretKey of [newSecret, oldSecret]) {
      const sealed = sealLegacy('sk-123456', secretKey, encoding)
      t.strictSame(credentials.read(sealed, 'row'), { plain: 'sk-123456', isCurrent: false })
    }
  }
  t.throws(() => credentials.open(sealLegacy('sk', 'a third one', 'hex'), 'row'), CredentialError)
  t.equal(credentials.seal('sk-123456', 'row').split(':').length, 4)
})

t.test('with two keys both open, and the newer one seals', async t => {
  const before = await openCredentials(oldSecret)
  const during = await openCredentials(newSecret, oldSecret)
  const after = await openCredentials(newSecret)
  const sealed = before.seal('sk-1', 'row')

  t.strictSame(during.read(sealed, 'row'), { plain: 'sk-1', isCurrent: false })
  t.equal(after.open(during.seal('sk-1', 'row'), 'row'), 'sk-1')
  t.throws(() => after.open(sealed, 'row'), CredentialError)
})

t.test('any flipped bit of any part is refused (Z8)', async t => {
  const credentials = await openCredentials(newSecret)
  const sealed = Buffer.from(
    credentials
      .seal('sk-123456', 'row')
      .split(':')
      .map(part => {
        return Buffer.from(part, 'base64').toString('hex')
      })
      .join(':'),
  )
  const parts = sealed
    .toString()
    .split(':')
    .map(part => Buffer.from(part, 'hex'))

  fc.assert(
    fc.property(fc.nat({ max: parts.length - 1 }), fc.nat(), (index, bit) => {
      const bytes = Buffer.from(parts[index] ?? Buffer.alloc(0))
      const at = bit % (bytes.length * 8)
      bytes.writeUInt8(bytes.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3)
      const changed = parts
        .with(index, bytes)
        .map(part => part.toString('base64'))
        .join(':')
      try {
        credentials.open(changed, 'row')
        return false
      } catch (error) {
        return error instanceof CredentialError
      }
    }),
    { numRuns: 1_000 },
  )
  t.pass('1000 random bits')
})

t.test('a hundred thousand seals have a hundred thousand salts and IVs (Z8)', async t => {
  const credentials = await openCredentials(newSecret)
  const seen = new Set<string>()

  for (let at = 0; at < 100_000; at++) {
    const [salt, iv] = credentials.seal('sk', 'row').split(':')
    seen.add(`iv ${iv}`).add(`salt ${salt}`)
  }

  t.equal(seen.size, 200_000)
})

t.test('all keys are sealed anew once, and the second run finds nothing to do', async t => {
  const { database } = await createTestDatabase(t)
  const ids = [await addProvider(database, 'sk-1'), await addProvider(database, 'sk-2')]
  const legacy = sealLegacy('sk-2', oldSecret, 'hex')
  await database.query(sql`UPDATE providers SET api_key = ${legacy} WHERE id = ${ids[1]}::uuid`)
  const during = await openCredentials(newSecret, oldSecret)

  t.match(await resealKeys(database, during), { resealed: 2, alreadyCurrent: 0, unreadable: [] })
  t.match(await resealKeys(database, during), { resealed: 0, alreadyCurrent: 2 })

  const after = await openCredentials(newSecret)
  for (const [at, id] of ids.entries()) {
    const provider = await findProvider(database, id)
    if (provider === undefined) throw new Error('no provider')
    t.equal(await openApiKey(database, after, provider), `sk-${at + 1}`)
  }
})

t.test('a wrong key changes no row and says which ones it cannot open (E-3)', async t => {
  const { database } = await createTestDatabase(t)
  await addProvider(database, 'sk-1')
  const before = await sealedOf(database)

  const report = await resealKeys(database, await openCredentials('a wrong secret key', 'another'))

  t.match(report, { resealed: 0, unreadable: [/^providers\/fal/] })
  t.strictSame(await sealedOf(database), before)
})

t.test('a key in an older form is sealed anew when it is used', async t => {
  const { database } = await createTestDatabase(t)
  const id = await addProvider(database, 'sk-1')
  const during = await openCredentials(newSecret, oldSecret)
  const provider = await findProvider(database, id)
  if (provider === undefined) throw new Error('no provider')

  t.equal(await openApiKey(database, during, provider), 'sk-1')

  const [sealed = ''] = await sealedOf(database)
  t.equal((await openCredentials(newSecret)).open(sealed, `providers|${id}|api_key`), 'sk-1')
})
