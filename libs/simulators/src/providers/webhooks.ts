import { createHash, createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WebhookMode } from './scripts.ts'

/** One thing to tell a caller, under an id that repeats keep. */
export interface Notice {
  readonly url: string
  readonly id: string
  readonly body: unknown
}

export type SignNotice = (notice: {
  readonly id: string
  readonly body: string
  readonly seconds: number
}) => Readonly<Record<string, string>>

const triesMax = 3
const firstPauseMs = 200
const timeoutMs = 15_000
const staleSeconds = 600

/**
 * Calls back as the mode says. Tries a few times while the answer is not a success, as providers
 * do, and gives up quietly; resolves when the notice is delivered or given up.
 */
export async function notify(notice: Notice, signNotice: SignNotice, mode: WebhookMode) {
  const body = JSON.stringify(notice.body)
  const age = mode === 'stale' ? staleSeconds : 0
  const seconds = Math.floor(Date.now() / 1000) - age
  const headers = signNotice({ id: notice.id, body, seconds })
  const sent = mode === 'bad-signature' ? `${body} ` : body
  switch (mode) {
    case 'never':
      return
    case 'twice':
      await Promise.all([deliver(notice.url, sent, headers), deliver(notice.url, sent, headers)])
      return
    default:
      await deliver(notice.url, sent, headers)
  }
}

async function deliver(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  for (let tries = 1; tries <= triesMax; tries++) {
    if (await isTaken(url, body, headers)) return
    await sleep(firstPauseMs * 2 ** tries, undefined, { ref: false })
  }
}

async function isTaken(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  try {
    const reply = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    await reply.body?.cancel()
    return reply.ok
  } catch {
    // Nobody listens there; a later try may find somebody.
    return false
  }
}

/** Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`. */
export function signStandard(secret: string): SignNotice {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return ({ id, body, seconds }) => ({
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${digest(key, `${id}.${seconds}.${body}`)}`,
  })
}

function digest(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64')
}

export function newStandardSecret(): string {
  return `whsec_${randomBytes(24).toString('base64')}`
}

/** fal signs with Ed25519 and publishes its keys. */
export function createFalSigner(): { readonly jwks: unknown; readonly sign: SignNotice } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const jwk = publicKey.export({ format: 'jwk' })
  const user = 'simulator'
  return {
    jwks: { keys: [{ ...jwk, kid: 'simulator', use: 'sig', alg: 'EdDSA' }] },
    sign: ({ id, body, seconds }) => {
      const digest = createHash('sha256').update(body).digest('hex')
      const message = Buffer.from([id, user, seconds, digest].join('\n'))
      return {
        'x-fal-webhook-request-id': id,
        'x-fal-webhook-user-id': user,
        'x-fal-webhook-timestamp': String(seconds),
        'x-fal-webhook-signature': sign(null, message, privateKey).toString('hex'),
      }
    },
  }
}
