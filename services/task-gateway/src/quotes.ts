import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'

const Claims = Type.Object(
  {
    userId: Type.String(),
    toolSlug: Type.String(),
    toolVersion: Type.Integer(),
    stepId: Type.String(),
    creditsCost: Type.Integer({ minimum: 1 }),
    /** Milliseconds since 1970. */
    expiresAt: Type.Integer(),
  },
  { additionalProperties: false },
)

/** What was promised to whom, and until when. */
export type Quote = Static<typeof Claims>

/** Makes and reads quote tokens. Nothing is stored: the signature is the memory. */
export interface Quotes {
  give(quote: Omit<Quote, 'expiresAt'>): { token: string; expiresAt: Date }
  /** Throws INVALID_QUOTE for one that was not given to this user, QUOTE_EXPIRED for an old one. */
  read(token: string, userId: UserId): Quote
}

const lifeMs = 10 * 60_000
const keyBytes = 32
const tokenForm = /^q1\.([A-Za-z0-9_-]{1,900})\.([A-Za-z0-9_-]{43})$/

/**
 * Tokens are `q1.{claims}.{HMAC-SHA256}`, base64url, under a key of their own that is derived from
 * SECRET_KEY. A quote may be used more than once while it lives; each task pays for itself.
 */
export function createQuotes(secretKey: string, now: () => number = Date.now): Quotes {
  const key = Buffer.from(hkdfSync('sha256', secretKey, '', 'funmagic quotes', keyBytes))
  const sign = (claims: string) => createHmac('sha256', key).update(`q1.${claims}`).digest()

  return {
    give: quote => {
      const expiresAt = now() + lifeMs
      const claims = Buffer.from(JSON.stringify({ ...quote, expiresAt })).toString('base64url')
      const token = `q1.${claims}.${sign(claims).toString('base64url')}`
      return { token, expiresAt: new Date(expiresAt) }
    },
    read: (token, userId) => {
      const [, claims, signature] = tokenForm.exec(token) ?? []
      if (claims === undefined || signature === undefined) throw new AppError('INVALID_QUOTE')
      const isOurs = timingSafeEqual(sign(claims), Buffer.from(signature, 'base64url'))
      if (!isOurs) throw new AppError('INVALID_QUOTE')
      const quote: unknown = JSON.parse(Buffer.from(claims, 'base64url').toString())
      // One of another release, or of somebody else: whose it is stays untold.
      if (!Value.Check(Claims, quote) || quote.userId !== userId)
        throw new AppError('INVALID_QUOTE')
      if (quote.expiresAt <= now()) throw new AppError('QUOTE_EXPIRED')
      return quote
    },
  }
}
