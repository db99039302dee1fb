import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { type CloudfrontSignInputWithParameters, getSignedUrl } from '@aws-sdk/cloudfront-signer'
import t, { type Test } from 'tap'
import { startOrigin, startTestCloudFront } from './origin.ts'

const canary = 'CANARY-7f3a: not for everybody'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ecdsa = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString()
const secretPem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()

const nowMs = Date.parse('2026-11-20T12:00:00Z')
const later = new Date(nowMs + 900_000).toISOString()

async function setup(t: Test) {
  const origin = await startOrigin(t)
  origin.objects.set('private/u1/a.png', { body: canary })
  origin.objects.set('private/u1/b.png', { body: canary })
  origin.objects.set('public/p.png', { body: canary })
  const clock = { nowMs }
  const cloudFront = await startTestCloudFront(t, origin, {
    prefix: 'private/',
    trustedKeys: [
      { id: 'KRSA', publicKeyPem: pem(rsa.publicKey) },
      { id: 'KEC', publicKeyPem: pem(ecdsa.publicKey) },
    ],
    aliases: ['private-cdn.test'],
    now: () => clock.nowMs,
  })
  const object = `${cloudFront.url}/private/u1/a.png`
  const rsaKey = { keyPairId: 'KRSA', privateKey: secretPem(rsa.privateKey) }
  const sign = (url = object, options: Partial<CloudfrontSignInputWithParameters> = {}) =>
    getSignedUrl({ url, dateLessThan: later, ...rsaKey, ...options })
  const signPolicy = (policy: string) => getSignedUrl({ url: object, policy, ...rsaKey })
  return { origin, clock, cloudFront, object, sign, signPolicy }
}

async function look(url: string, init: RequestInit = {}): Promise<[number, string]> {
  const reply = await fetch(url, init)
  return [reply.status, await reply.text()]
}

const refused = (code: string) => [403, new RegExp(`<Code>${code}</Code>`)]

t.test('the official signer lets a viewer in: RSA and ECDSA, SHA-1 and SHA-256', async t => {
  const { sign, object } = await setup(t)
  const byEcdsa = { keyPairId: 'KEC', privateKey: secretPem(ecdsa.privateKey) }

  t.same(await look(sign()), [200, canary])
  t.same(await look(sign(object, { algorithm: 'SHA256' })), [200, canary])
  t.same(await look(sign(object, byEcdsa)), [200, canary])
  t.same(await look(sign(object, { ...byEcdsa, algorithm: 'SHA256' })), [200, canary])
  t.same(await look(sign(`${object}?color=red&size=2`)), [200, canary])
})

t.test('a custom policy opens what its wildcards, its dates and its addresses name', async t => {
  const { signPolicy, cloudFront } = await setup(t)
  const epoch = (offsetMs: number) => ({ 'AWS:EpochTime': Math.floor((nowMs + offsetMs) / 1000) })
  const lookBy = (resource: string, condition: object) => {
    const statement = { Resource: resource, Condition: condition }
    return look(signPolicy(JSON.stringify({ Statement: [statement] })))
  }
  const DateLessThan = epoch(60_000)
  const all = `${cloudFront.url}/private/u1/*`
  const here = { IpAddress: { 'AWS:SourceIp': '127.0.0.0/8' } }
  const elsewhere = { IpAddress: { 'AWS:SourceIp': '192.0.2.0/24' } }

  t.same(await lookBy(all, { DateLessThan }), [200, canary])
  t.same(await lookBy('http*://*/private/u1/?.png', { DateLessThan }), [200, canary])
  t.same(await lookBy(all, { DateLessThan, ...here }), [200, canary])
  t.same(await lookBy(all, { DateLessThan, DateGreaterThan: epoch(-1_000) }), [200, canary])
  const notYet = { DateLessThan, DateGreaterThan: epoch(30_000) }
  t.match(await lookBy(all, notYet), refused('AccessDenied'))
  t.match(await lookBy(all, { DateLessThan, ...elsewhere }), refused('AccessDenied'))
  t.match(await lookBy(all, { DateLessThan: epoch(-1_000) }), refused('AccessDenied'))
  const other = `${cloudFront.url}/private/u2/*`
  t.match(await lookBy(other, { DateLessThan }), refused('AccessDenied'))
  t.match(await lookBy(all, {}), refused('MalformedPolicy'))
})

t.test('without a signature nothing is told, whatever the method or the query', async t => {
  const { object, origin } = await setup(t)

  t.match(await look(object), refused('MissingKey'))
  t.match(await look(`${object}?versionId=1&acl`), refused('MissingKey'))
  t.match(await look(`${object}?Key-Pair-Id=`), refused('MissingKey'))
  t.match(await look(object, { headers: { range: 'bytes=0-3' } }), refused('MissingKey'))
  t.same(await look(object, { method: 'HEAD' }), [403, ''])
  t.match(await look(object, { method: 'OPTIONS' }), refused('MissingKey'))
  t.same(origin.asked, [], 'the origin was not even asked')
})

t.test('a signature of a foreign or unknown key, or for another object, is refused', async t => {
  const { sign, object, cloudFront } = await setup(t)
  const other = `${cloudFront.url}/private/u1/b.png`

  const foreignKey = sign(object, { privateKey: secretPem(foreign.privateKey) })
  const retiredKey = sign(object, { keyPairId: 'KOLD' })
  const moved = sign(other).replace('b.png', 'a.png')
  const wrongHash = sign(object, { algorithm: 'SHA256' }).replace('&Hash-Algorithm=SHA256', '')

  t.match(await look(foreignKey), refused('AccessDenied'))
  t.match(await look(retiredKey), refused('InvalidKey'))
  t.match(await look(moved), refused('AccessDenied'))
  t.match(await look(wrongHash), refused('AccessDenied'))
  t.match(await look(`${wrongHash}&Hash-Algorithm=MD5`), refused('AccessDenied'))
})

t.test('every bit of a signed URL counts', async t => {
  const { sign, object } = await setup(t)
  const url = sign()
  const signature = new URL(url).searchParams.get('Signature') ?? ''
  const tampered = [
    url.replace(/Expires=(\d+)/, (_all, seconds) => `Expires=${Number(seconds) + 1}`),
    url.replace(
      signature,
      signature.replace(/^./, first => (first === 'A' ? 'B' : 'A')),
    ),
    url.replace(signature, signature.replace(/.{6}$/, 'AAAAAA')),
    url.replace(signature, signature.slice(0, -8)),
    `${url}&response-content-type=text/html`,
    url.replace('?', '?download=1&'),
    `${url}&Expires=99999999999`,
    `${url}&Signature=${signature}`,
    url.replace(/&Signature=[^&]*/, ''),
    url.replace(/Expires=\d+/, 'Expires='),
    url.replace('/private/u1/a.png', '/private/u1/%61.png'),
  ]

  t.same(await look(url), [200, canary], object)
  for (const attempt of tampered) t.match(await look(attempt), [403, /<Error>/], attempt)
})

t.test('a URL works up to its expiry and not from it on, cached or not', async t => {
  const { sign, clock } = await setup(t)
  const url = sign()

  clock.nowMs = Date.parse(later) - 1_000
  t.same(await look(url), [200, canary])
  clock.nowMs = Date.parse(later)
  t.match(await look(url), refused('AccessDenied'))
})

t.test('a viewer with a good signature cannot leave the prefix or the distribution', async t => {
  const { sign, cloudFront, object } = await setup(t)

  t.match(await look(sign(`${cloudFront.url}/public/p.png`)), refused('AccessDenied'))
  t.match(await look(sign(`${cloudFront.url}/private/`)), refused('AccessDenied'))
  const swapped = { headers: { host: 'cdn.test' } }
  const status = await new Promise(resolve =>
    httpRequest(sign(object), swapped, reply => resolve(reply.resume().statusCode)).end(),
  )
  t.equal(status, 403, 'another host name is another distribution')
})

t.test(
  'a missing object is 403 even with a signature, as the bucket may not be listed',
  async t => {
    const { sign, cloudFront } = await setup(t)

    const reply = await fetch(sign(`${cloudFront.url}/private/u1/none.png`))

    t.equal(reply.status, 403)
    t.match(await reply.text(), /<Code>AccessDenied<\/Code>.*<RequestId>/)
  },
)

t.test('a policy that is no policy is refused even when it is signed', async t => {
  const { object } = await setup(t)
  const safe = (bytes: Buffer) =>
    bytes.toString('base64').replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~')
  const signText = (text: string) => {
    const signature = createSign('sha1').update(text).sign(rsa.privateKey)
    const policy = safe(Buffer.from(text))
    return look(`${object}?Policy=${policy}&Signature=${safe(signature)}&Key-Pair-Id=KRSA`)
  }
  const statement = { Resource: '*', Condition: { DateLessThan: { 'AWS:EpochTime': 9e9 } } }

  t.same(await signText(JSON.stringify({ Statement: [statement] })), [200, canary])
  t.match(await signText('[]'), refused('MalformedPolicy'))
  t.match(await signText('not json'), refused('MalformedPolicy'))
  t.match(
    await signText(JSON.stringify({ Statement: [statement, statement] })),
    refused('MalformedPolicy'),
  )
})

t.test('only keys that CloudFront takes make a key group', async t => {
  const origin = await startOrigin(t)
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const otherCurve = generateKeyPairSync('ec', { namedCurve: 'secp384r1' })

  for (const { publicKey } of [weak, otherCurve]) {
    const trustedKeys = [{ id: 'K', publicKeyPem: pem(publicKey) }]
    await t.rejects(startTestCloudFront(t, origin, { trustedKeys }), /neither RSA 2048 nor/)
  }
})
