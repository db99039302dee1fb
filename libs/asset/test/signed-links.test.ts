import { createPublicKey, verify } from 'node:crypto'
import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { LinkSigner, type SigningSettings } from '../src/signed-links.ts'
import { makeEcdsaKey, makeRsaKey } from './signing-keys.ts'

const origin = 'https://private-cdn.example.test'
const noon = Date.parse('2026-11-21T12:00:00Z')
const [oldKey, newKey] = [makeRsaKey(), makeEcdsaKey()]
const settings: SigningSettings = {
  keyPairId: 'KOLD',
  privateKey: oldKey.privateKey,
  windowSeconds: 300,
}
const next = {
  keyPairId: 'KNEW',
  privateKey: newKey.privateKey,
  activeFrom: '2026-11-21T13:07:00+01:00',
}

function keyOf(url: string): string | null {
  return new URL(url).searchParams.get('Key-Pair-Id')
}

/** CloudFront's alphabet for what is not safe in an address or a cookie. */
function decode(text: string): Buffer {
  const plain = text.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/')
  return Buffer.from(plain, 'base64')
}

function cannedPolicy(url: string): string {
  const { origin: host, pathname, searchParams } = new URL(url)
  const end = `{"AWS:EpochTime":${searchParams.get('Expires')}}`
  return `{"Statement":[{"Resource":"${host}${pathname}","Condition":{"DateLessThan":${end}}}]}`
}

t.test('the next key takes over at its moment, for whole windows', async t => {
  let now = noon
  const signer = new LinkSigner(origin, { ...settings, next }, () => now)

  const before = signer.sign('private/a.png').url
  now = Date.parse('2026-11-21T12:08:00Z')
  const within = signer.sign('private/a.png').url
  now = Date.parse('2026-11-21T12:10:00Z')
  const after = signer.sign('private/a.png').url

  t.equal(keyOf(before), 'KOLD')
  t.equal(keyOf(within), 'KOLD', 'an address does not change within its window')
  t.equal(keyOf(after), 'KNEW')
  t.equal(keyOf(signer.sign('private/b.png').url), 'KNEW')
})

t.test('copies with an RSA key that are started at different times sign the same', async t => {
  const at = Date.parse('2026-11-21T12:08:00Z')
  const rsa = { ...next, privateKey: makeRsaKey().privateKey }
  const one = new LinkSigner(origin, { ...settings, next: rsa }, () => at)
  const other = new LinkSigner(origin, { ...settings, next: rsa }, () => at + 60_000)

  t.equal(one.sign('private/a.png').url, other.sign('private/a.png').url)
})

t.test('a next key that lacks something is refused at the start', async t => {
  const faults = [
    { keyPairId: 'KNEW' },
    { ...next, activeFrom: undefined },
    { ...next, privateKey: undefined },
    { ...next, activeFrom: 'tomorrow' },
    { ...next, activeFrom: '2026-12-01T00:00:00' },
    { ...next, privateKey: 'nonsense' },
  ]

  for (const fault of faults) {
    t.throws(() => new LinkSigner(origin, { ...settings, next: fault }, Date.now))
  }
})

t.test('signatures of both kinds of key hold over both digests', async t => {
  for (const key of [oldKey, newKey]) {
    for (const hash of ['SHA1', 'SHA256'] as const) {
      const { privateKey, publicKeyPem } = key
      const signer = new LinkSigner(origin, { ...settings, privateKey, hash }, () => noon)
      const { url } = signer.sign('private/a.png')
      const query = new URL(url).searchParams
      const signature = decode(query.get('Signature') ?? '')
      const publicKey = createPublicKey(publicKeyPem)

      t.ok(verify(hash, Buffer.from(cannedPolicy(url)), publicKey, signature), hash)
      t.equal(query.get('Hash-Algorithm'), hash === 'SHA256' ? 'SHA256' : null)
    }
  }
})

t.test('a folder is signed for 15 minutes and for nothing outside it', async t => {
  const userId = newId()
  const signer = new LinkSigner(origin, { ...settings, next }, () => noon)

  const { cookies, expiresAt } = signer.signFolder(`private/${userId}/`)

  const policy = decode(cookies['CloudFront-Policy'] ?? '')
  const signature = decode(cookies['CloudFront-Signature'] ?? '')
  t.ok(verify('SHA1', policy, createPublicKey(oldKey.publicKeyPem), signature))
  t.same(JSON.parse(policy.toString()), {
    Statement: [
      {
        Resource: `${origin}/private/${userId}/*`,
        Condition: { DateLessThan: { 'AWS:EpochTime': (noon + 900_000) / 1000 } },
      },
    ],
  })
  t.equal(cookies['CloudFront-Key-Pair-Id'], 'KOLD')
  t.same(expiresAt, new Date(noon + 900_000))
})
