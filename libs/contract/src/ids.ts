import Type, { type Static } from 'typebox'

/**
 * Row ids are UUIDs of version 7 (RFC 9562 §5.7): sortable by time of creation, so that a
 * primary key is also a good index order, and with 74 random bits, so that nobody guesses one.
 */
export type UserId = string & { readonly __noun?: 'user' }
export type AssetId = string & { readonly __noun?: 'asset' }
export type UploadId = string & { readonly __noun?: 'upload' }
export type TaskId = string & { readonly __noun?: 'task' }
export type ReservationId = string & { readonly __noun?: 'reservation' }

const uuidPattern = '^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
const uuid = new RegExp(uuidPattern)

/** The schema of an id in a body or a reply; a path id that does not match is INVALID_ID. */
export const Id = Type.String({
  pattern: uuidPattern,
  description: 'UUID, version 7',
  examples: ['0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10'],
})
export type Id = Static<typeof Id>

/** True when the text has the form of an id; says nothing about whether a row exists. */
export function isId(text: string): boolean {
  return uuid.test(text)
}

/** Makes a UUIDv7 from the clock and the platform's random source. */
export function newId(nowMs: number = Date.now()): string {
  const time = nowMs.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`
}
