import {
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  scrypt,
  timingSafeEqual,
  type ScryptOptions,
} from 'node:crypto'
import { Slots } from './slots.ts'

// What opens a share link (P4). A token follows from the link's id and a secret that never lies
// beside it, so that a repeated request can be told the same token although only its digest is
// kept. Passwords are hashed with scrypt at OWASP's parameters, two at a time: each takes 32 MB.

const cost = { N: 32_768, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } satisfies ScryptOptions
const hashBytes = 32
const proofLifeMs = 3_600_000
const hashing = new Slots({ runningMax: 2, waitingMax: 32 })

/** Makes the tokens of links: 256 bits that only whoever signs addresses anyway can tell. */
export function createShareTokens(signingKey: string): (linkId: string) => string {
  const secret = Buffer.from(hkdfSync('sha256', signingKey, '', 'funmagic share links', 32))
  return linkId => createHmac('sha256', secret).update(linkId).digest('base64url')
}

export function digestToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** A request may hold a password, so its digest is keyed with what is not at rest. */
export function digestOfRequest(token: string, requestHash: string): string {
  return createHmac('sha256', token).update(requestHash).digest('hex')
}

/** OVERLOADED when too many are being hashed. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt)
  return `scrypt.${salt.toString('base64url')}.${hash.toString('base64url')}`
}

/** In a time that says nothing of the hash. OVERLOADED when too many are being hashed. */
export async function isPassword(password: string, passwordHash: string): Promise<boolean> {
  const [, salt = '', hash = ''] = passwordHash.split('.')
  return isSame(await derive(password, Buffer.from(salt, 'base64url')), hash)
}

export interface ShareProof {
  readonly value: string
  readonly expiresAt: Date
}

/** Stands for the password for an hour, and dies with it: its key is the password's hash. */
export function proveAccess(link: ProvableLink, nowMs: number): ShareProof {
  const expiresMs = nowMs + proofLifeMs
  return { value: `${expiresMs}.${sign(link, expiresMs)}`, expiresAt: new Date(expiresMs) }
}

export function isProof(proof: string, link: ProvableLink, nowMs: number): boolean {
  const [expires = '', signature = '', ...rest] = proof.split('.')
  if (!/^\d{1,15}$/.test(expires) || rest.length > 0) return false
  const expiresMs = Number(expires)
  return isSame(Buffer.from(sign(link, expiresMs), 'base64url'), signature) && nowMs < expiresMs
}

interface ProvableLink {
  readonly id: string
  readonly passwordHash: string
}

function sign({ id, passwordHash }: ProvableLink, expiresMs: number): string {
  return createHmac('sha256', passwordHash).update(`${id}.${expiresMs}`).digest('base64url')
}

function isSame(expected: Buffer, given: string): boolean {
  const bytes = Buffer.from(given, 'base64url')
  return bytes.length === expected.length && timingSafeEqual(bytes, expected)
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const text = password.normalize('NFC')
  return hashing.use(() => {
    scrypt(text, salt, hashBytes, cost, (error, hash) => (error ? reject(error) : resolve(hash)))
    return promise
  })
}
