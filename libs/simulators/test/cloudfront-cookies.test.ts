import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { getSignedCookies, getSignedUrl } from '@aws-sdk/cloudfront-signer'
import t, { type Test } from 'tap'
import { startOrigin, startTestCloudFront } from './origin.ts'

const canary = 'CANARY-77aa: not for everybody'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ecdsa = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString()
const secretPem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const nowMs = Date.parse('2026-11-20T12:00:00Z')
const dateLessThan = new Date(nowMs + 900_000).toISOString()
const rsaKey = { keyPairId: 'KRSA', privateKey: secretPem(rsa.privateKey) }
const ecKey = { keyPairId: 'KEC', privateKey: secretPem(ecdsa.privateKey) }
const trustedKeys = [
  { id: 'KRSA', publicKeyPem: pem(rsa.publicKey) },
  { id: 'KEC', publicKeyPem: pem(ecdsa.publicKey) },
]

async function setup(t: Test) {
  const origin = await startOrigin(t)
  for (const name of ['u1/a.png', 'u1/b.png', 'u2/c.png']) {
    origin.objects.set(`private/${name}`, { body: canary })
  }
  const cloudFront = await startTestCloudFront(t, origin, {
    prefix: 'private/',
    trustedKeys,
    now: () => nowMs,
  })
  const folder = `${cloudFront.url}/private/u1`
  const policyFor = (resource: string, more: object = {}) =>
    JSON.stringify({
      Statement: [
        {
          Resource: resource,
          Condition: { DateLessThan: { 'AWS:EpochTime': nowMs / 1000 + 900 }, ...more },
        },
      ],
    })
  return { cloudFront, folder, policyFor }
}

function headerOf(cookies: object): string {
  return Object.entries(cookies)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join('; ')
}

async function look(url: string, cookie: string, method = 'GET'): Promise<[number, string]> {
  const reply = await fetch(url, { headers: { cookie }, method })
  return [reply.status, await reply.text()]
}

const refused = (code: string) => [403, new RegExp(`<Code>${code}</Code>`)]

t.test('signed cookies of the official signer open their folder and nothing else', async t => {
  const { folder, policyFor, cloudFront } = await setup(t)
  for (const key of [rsaKey, ecKey]) {
    for (const algorithm of ['SHA1', 'SHA256'] as const) {
      const policy = policyFor(`${folder}/*`)
      const cookie = headerOf(getSignedCookies({ policy, algorithm, ...key }))

      t.same(await look(`${folder}/a.png`, `other=1; ${cookie}`), [200, canary])
      t.same(await look(`${folder}/b.png?x=1`, cookie), [200, canary])
      t.match(
        await look(`${cloudFront.url}/private/u2/c.png`, cookie),
        refused('AccessDenied'),
        'of another user',
      )
    }
  }
})

t.test('canned cookies open one address until they expire', async t => {
  const { folder } = await setup(t)
  const url = `${folder}/a.png`
  const cookie = headerOf(getSignedCookies({ url, dateLessThan, ...rsaKey }))
  const past = headerOf(
    getSignedCookies({ url, dateLessThan: new Date(nowMs - 1_000).toISOString(), ...rsaKey }),
  )

  t.same(await look(url, cookie), [200, canary])
  t.match(await look(`${folder}/b.png`, cookie), refused('AccessDenied'))
  t.match(await look(`${url}?x=1`, cookie), refused('AccessDenied'), 'the query is signed too')
  t.match(await look(url, past), refused('AccessDenied'))
})

t.test(
  'a signed URL decides alone: good cookies do not help a bad one, nor bad ones harm',
  async t => {
    const { folder, policyFor } = await setup(t)
    const good = headerOf(getSignedCookies({ policy: policyFor(`${folder}/*`), ...rsaKey }))
    const url = getSignedUrl({ url: `${folder}/a.png`, dateLessThan, ...ecKey })

    t.same(await look(url, 'CloudFront-Policy=x; CloudFront-Signature=x'), [200, canary])
    t.match(await look(url.replace(/.{6}(?=&|$)/, 'AAAAAA'), good), [403, /<Error>/])
    for (const parameter of ['Expires', 'Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm']) {
      t.match(await look(`${folder}/a.png?${parameter}=1`, good), [403, /<Error>/], parameter)
    }
  },
)

t.test('cookies that are incomplete, doubled, tampered or misspelt are refused', async t => {
  const { folder, policyFor } = await setup(t)
  const cookies = getSignedCookies({ policy: policyFor(`${folder}/*`), ...rsaKey })
  const { 'CloudFront-Policy': policy = '', 'CloudFront-Signature': signature } = cookies
  const other = headerOf(getSignedCookies({ policy: policyFor('*'), ...rsaKey }))
  const all = headerOf(cookies)
  const attempts = [
    '',
    headerOf({ ...cookies, 'CloudFront-Key-Pair-Id': 'KOLD' }),
    headerOf({ ...cookies, 'CloudFront-Signature': signature.replace(/^.{4}/, 'AAAA') }),
    headerOf({ ...cookies, 'CloudFront-Policy': policy.replace(/^.{4}/, 'AAAA') }),
    headerOf({ 'CloudFront-Policy': policy, 'CloudFront-Key-Pair-Id': 'KRSA' }),
    `${all}; ${other}`,
    all.replaceAll('CloudFront-', 'cloudfront-'),
    all.replaceAll('CloudFront-', ''),
  ]

  for (const attempt of attempts) {
    t.match(await look(`${folder}/a.png`, attempt), [403, /<Error>/], attempt.slice(0, 60))
  }
})

t.test('a retired key opens nothing any more, and the next one does', async t => {
  const { folder, cloudFront } = await setup(t)
  const byRsa = getSignedUrl({ url: `${folder}/a.png`, dateLessThan, ...rsaKey })
  const byEc = getSignedUrl({ url: `${folder}/a.png`, dateLessThan, ...ecKey })
  t.same([(await look(byRsa, ''))[0], (await look(byEc, ''))[0]], [200, 200])

  cloudFront.trustKeys(trustedKeys.slice(1))

  t.match(await look(byRsa, ''), refused('InvalidKey'), 'cached or not')
  t.same(await look(byEc, ''), [200, canary])
})

t.test('a preflight needs a signature, and brings no byte with one', async t => {
  const { folder } = await setup(t)
  const url = getSignedUrl({ url: `${folder}/a.png`, dateLessThan, ...ecKey })

  t.match(await look(`${folder}/a.png`, '', 'OPTIONS'), refused('MissingKey'))
  const [status, body] = await look(url, '', 'OPTIONS')
  t.equal(status, 403)
  t.notMatch(body, /CANARY/)
})
