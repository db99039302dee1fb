import { providerTypes, type ProviderType } from '@funmagic/contract/tool'
import {
  readSigningKeys,
  verifyFalWebhook,
  verifyStandardWebhook,
  type Delivery,
} from '@funmagic/provider/webhook-signatures'
import Type, { type Static } from 'typebox'
import { Value } from 'typebox/value'

/** What each provider's signatures are checked with; one that is missing is not listened to. */
export interface WebhookSettings {
  readonly falJwksUrl?: string | undefined
  readonly replicateSecret?: string | undefined
  readonly openaiSecret?: string | undefined
}

/** The id of the event when its signature is right and of now. */
type Verify = (delivery: Delivery) => Promise<string | undefined>

export type WebhookVerifiers = Readonly<Partial<Record<ProviderType, Verify>>>

export function createVerifiers(settings: WebhookSettings): WebhookVerifiers {
  const { falJwksUrl, replicateSecret, openaiSecret } = settings
  return {
    ...(falJwksUrl && { fal: verifyWithKeysOf(falJwksUrl) }),
    ...(replicateSecret && {
      replicate: async delivery => verifyStandardWebhook(delivery, replicateSecret),
    }),
    ...(openaiSecret && {
      openai: async delivery => verifyStandardWebhook(delivery, openaiSecret),
    }),
  }
}

const keysLifeMs = 3_600_000
// Keys are fetched again for a signature that none of them made, but not for each of them.
const keysRestMs = 60_000
const fetchTimeoutMs = 5_000
const keysBytesMax = 100_000

function verifyWithKeysOf(jwksUrl: string): Verify {
  let fetched = { keys: readSigningKeys({}), atMs: Number.NEGATIVE_INFINITY }
  const refresh = async (nowMs: number) => {
    fetched = { ...fetched, atMs: nowMs }
    const reply = await fetch(jwksUrl, {
      redirect: 'error',
      signal: AbortSignal.timeout(fetchTimeoutMs),
    })
    const text = await reply.text()
    if (!reply.ok || text.length > keysBytesMax) throw new Error('the keys of fal are not there')
    fetched = { keys: readSigningKeys(JSON.parse(text)), atMs: nowMs }
  }
  return async delivery => {
    const { nowMs } = delivery
    if (nowMs - fetched.atMs > keysLifeMs) await refresh(nowMs)
    const eventId = verifyFalWebhook(delivery, fetched.keys)
    if (eventId !== undefined || nowMs - fetched.atMs < keysRestMs) return eventId
    await refresh(nowMs)
    return verifyFalWebhook(delivery, fetched.keys)
  }
}

const RequestId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' })
const Status = Type.String({ minLength: 1, maxLength: 64 })
const events = {
  fal: Type.Object({ request_id: RequestId, status: Status }),
  replicate: Type.Object({ id: RequestId, status: Status }),
}

export interface ReadEvent {
  readonly providerRequestId: string
  readonly status: string
}

/** What the event is about; undefined for one that is none of our calls'. */
export function readEvent(provider: ProviderType, body: Uint8Array): ReadEvent | undefined {
  const event = parse(body)
  if (provider === 'fal' && Value.Check(events.fal, event)) return fromFal(event)
  if (provider === 'replicate' && Value.Check(events.replicate, event)) {
    return { providerRequestId: event.id, status: event.status }
  }
  // OpenAI answers pictures at once; its events are about what we do not use.
  return undefined
}

function fromFal({ request_id: id, status }: Static<typeof events.fal>): ReadEvent {
  return { providerRequestId: id, status }
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    // Signed and no JSON: nothing that we know.
    return undefined
  }
}

export function isProviderType(text: string): text is ProviderType {
  return providerTypes.some(type => type === text)
}
