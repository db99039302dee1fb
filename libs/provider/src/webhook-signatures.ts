import {
  createHash,
  createHmac,
  createPublicKey,
  timingSafeEqual,
  verify,
  type KeyObject,
} from 'node:crypto'

/** A request that says it comes from a provider; the body is as it came, byte for byte. */
export interface Delivery {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Uint8Array
  readonly nowMs: number
}

/** How old, or how far ahead of our clock, a signature may be: an older one may be a replay. */
const toleranceMs = 5 * 60_000
const signaturesMax = 10
const keysMax = 20
const hmacBytes = 32

/**
 * Standard Webhooks (standardwebhooks.com), as Replicate and OpenAI sign: HMAC-SHA256 over
 * `id.timestamp.body` under a secret such as `whsec_…`. Answers the id of the event, which is the
 * same at every repeat of it, or undefined for what is not signed, or not now.
 */
export function verifyStandardWebhook(delivery: Delivery, secret: string): string | undefined {
  const id = headerOf(delivery, 'webhook-id')
  const timestamp = headerOf(delivery, 'webhook-timestamp')
  const signatures = headerOf(delivery, 'webhook-signature')
  if (id === undefined || signatures === undefined || !isNow(timestamp, delivery.nowMs)) {
    return undefined
  }
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = createHmac('sha256', key)
    .update(`${id}.${timestamp}.`)
    .update(delivery.body)
    .digest()
  const given = signatures.split(' ').slice(0, signaturesMax)
  const isSigned = given.some(text => {
    const signature = Buffer.from(text.startsWith('v1,') ? text.slice(3) : '', 'base64')
    return signature.length === hmacBytes && timingSafeEqual(signature, expected)
  })
  return isSigned ? id : undefined
}

/**
 * fal's webhooks (fal.ai/docs, "Webhooks"): Ed25519 over four lines, the last of them the digest of
 * the body, under any of fal's published keys. Answers the id of the request, or undefined. The
 * keys are the same for all of fal's customers: the signature says that fal sent it, not for whom.
 */
export function verifyFalWebhook(
  delivery: Delivery,
  keys: readonly KeyObject[],
): string | undefined {
  const id = headerOf(delivery, 'x-fal-webhook-request-id')
  const user = headerOf(delivery, 'x-fal-webhook-user-id')
  const timestamp = headerOf(delivery, 'x-fal-webhook-timestamp')
  const signature = headerOf(delivery, 'x-fal-webhook-signature')
  const isWhole = id !== undefined && user !== undefined && signature !== undefined
  if (!isWhole || !/^[0-9a-f]{128}$/i.test(signature) || !isNow(timestamp, delivery.nowMs)) {
    return undefined
  }
  const digest = createHash('sha256').update(delivery.body).digest('hex')
  const message = Buffer.from([id, user, timestamp, digest].join('\n'))
  const isSigned = keys.some(key => verify(null, message, key, Buffer.from(signature, 'hex')))
  return isSigned ? id : undefined
}

/** The Ed25519 keys of a JSON Web Key Set; others in it are left out. */
export function readSigningKeys(jwks: unknown): KeyObject[] {
  const { keys } = { keys: undefined, ...(typeof jwks === 'object' ? jwks : {}) }
  const list: readonly unknown[] = Array.isArray(keys) ? keys : []
  return list.slice(0, keysMax).flatMap(jwk => {
    const { kty, crv, x } = { kty: '', crv: '', x: '', ...(typeof jwk === 'object' ? jwk : {}) }
    const isKey = kty === 'OKP' && crv === 'Ed25519' && /^[\w-]{43}$/.test(x)
    return isKey ? [createPublicKey({ format: 'jwk', key: { kty, crv, x } })] : []
  })
}

/** A header that is there once and not empty; repeated ones are nobody's. */
function headerOf({ headers }: Delivery, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' && value !== '' && value.length <= 2_000 ? value : undefined
}

/** Seconds since 1970, within the tolerance. */
function isNow(timestamp: string | undefined, nowMs: number): boolean {
  if (timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) return false
  return Math.abs(Number(timestamp) * 1000 - nowMs) <= toleranceMs
}
