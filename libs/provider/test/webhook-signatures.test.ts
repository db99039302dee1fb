import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  readSigningKeys,
  verifyFalWebhook,
  verifyStandardWebhook,
  type Delivery,
} from '../src/webhook-signatures.ts'

const nowMs = 1_800_000_000_000
const nowSeconds = nowMs / 1000
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const keys = [publicKey]

function standard(body: string, seconds = nowSeconds, signedBody = body): Delivery {
  const key = Buffer.from(secret.slice(6), 'base64')
  const signature = createHmac('sha256', key).update(`msg_1.${seconds}.${signedBody}`)
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${signature.digest('base64')}`,
  }
  return { headers, body: Buffer.from(body), nowMs }
}

function fal(body: string, seconds = nowSeconds, signedBody = body): Delivery {
  const digest = createHash('sha256').update(signedBody).digest('hex')
  const message = Buffer.from(['request-1', 'user-1', seconds, digest].join('\n'))
  const headers = {
    'x-fal-webhook-request-id': 'request-1',
    'x-fal-webhook-user-id': 'user-1',
    'x-fal-webhook-timestamp': String(seconds),
    'x-fal-webhook-signature': sign(null, message, privateKey).toString('hex'),
  }
  return { headers, body: Buffer.from(body), nowMs }
}

const dialects = [
  ['Standard Webhooks', standard, (it: Delivery) => verifyStandardWebhook(it, secret), 'msg_1'],
  ['fal', fal, (it: Delivery) => verifyFalWebhook(it, keys), 'request-1'],
] as const

for (const [name, make, check, id] of dialects) {
  t.test(`${name}: what is signed, whole and of now is let in`, async t => {
    t.equal(check(make('{"a":1}')), id)
    t.equal(check(make('{"a":1}', nowSeconds - 299)), id)
    t.equal(check(make('{"a":1}', nowSeconds + 299)), id)
  })

  t.test(`${name}: another body, time or signature is not`, async t => {
    const good = make('{"a":1}')

    t.equal(check(make('{"a":1}', nowSeconds - 301)), undefined, 'too old')
    t.equal(check(make('{"a":1}', nowSeconds + 301)), undefined, 'from the future')
    t.equal(check(make('{"a":1} ', nowSeconds, '{"a":1}')), undefined, 'one more byte')
    for (const header of Object.keys(good.headers)) {
      const without = { ...good.headers, [header]: undefined }
      const twice = { ...good.headers, [header]: [good.headers[header] ?? '', 'x'].flat() }
      const other = { ...good.headers, [header]: 'x' }
      t.equal(check({ ...good, headers: without }), undefined, `without ${header}`)
      t.equal(check({ ...good, headers: twice }), undefined, `with two of ${header}`)
      t.equal(check({ ...good, headers: other }), undefined, `with another ${header}`)
    }
  })

  t.test(`${name}: no garbage is let in, and none throws`, async t => {
    const header = fc.option(fc.string({ maxLength: 200 }), { nil: undefined })
    const names = Object.keys(make('').headers)
    const headers = fc.record(Object.fromEntries(names.map(each => [each, header])))

    fc.assert(
      fc.property(headers, fc.uint8Array({ maxLength: 100 }), (given, body) => {
        return check({ headers: given, body, nowMs }) === undefined
      }),
      { numRuns: 300 },
    )
    t.pass('300 deliveries')
  })
}

t.test('one of several signatures is enough, as when a secret is exchanged', async t => {
  const good = standard('{}')
  const signature = `v1,${'A'.repeat(44)} v1a,zzz ${good.headers['webhook-signature']}`
  const headers = { ...good.headers, 'webhook-signature': signature }

  t.equal(verifyStandardWebhook({ ...good, headers }, secret), 'msg_1')
})

t.test('a key set gives its Ed25519 keys and nothing else', async t => {
  const jwk = publicKey.export({ format: 'jwk' })
  const set = { keys: [jwk, { kty: 'RSA', n: 'a', e: 'AQAB' }, { ...jwk, x: 'short' }, null] }

  t.equal(readSigningKeys(set).length, 1)
  for (const nonsense of [null, undefined, 'x', 7, {}, { keys: 'x' }]) {
    t.strictSame(readSigningKeys(nonsense), [])
  }
  t.equal(verifyFalWebhook(fal('{}'), readSigningKeys(set)), 'request-1')
})
