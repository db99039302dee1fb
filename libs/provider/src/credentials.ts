import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'

/** Seals and opens provider keys. `context` names the row; a sealed key opens only with its own. */
export interface Credentials {
  seal(plain: string, context: string): string
  open(sealed: string, context: string): string
  /** Opens, and tells whether it should be sealed anew: under an earlier key, or unbound. */
  read(sealed: string, context: string): { readonly plain: string; readonly isCurrent: boolean }
}

/** The key is wrong or the sealed text was changed: a fault of the installation, never "". */
export class CredentialError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CredentialError'
  }
}

const keyBytes = 32
const saltBytes = 16
const ivBytes = 12
const tagBytes = 16
const masterSalt = 'funmagic provider credentials'
const legacySalt = 'salt'
const scryptAsync = promisify<string, string, number, Buffer>(scrypt)

/** Derived once per SECRET_KEY; the second is what `iv:authTag:encrypted` was written with. */
interface Keys {
  readonly master: Buffer
  readonly legacy: Buffer
}

/**
 * AES-256-GCM under a key derived from SECRET_KEY, written as `salt:iv:authTag:encrypted` in
 * base64 (requirement S12). scrypt runs here, once per key and off the event loop; each record
 * then gets a key of its own from its salt by HKDF, so that sealing and opening do not block.
 * What is sealed under the previous SECRET_KEY, or in the older form `iv:authTag:encrypted` (hex
 * or base64, scrypt with the salt "salt", bound to no row), opens as well and is never written.
 */
export async function openCredentials(
  secretKey: string,
  previousSecretKey?: string,
): Promise<Credentials> {
  const secrets = previousSecretKey === undefined ? [secretKey] : [secretKey, previousSecretKey]
  // Two at most.
  const [current, ...previous] = await Promise.all(secrets.map(deriveKeys))
  if (current === undefined) throw new Error('there is no key')
  const read = (sealed: string, context: string) =>
    readSealed([current, ...previous], sealed, context)
  return {
    seal: (plain, context) => seal(current.master, plain, context),
    open: (sealed, context) => read(sealed, context).plain,
    read,
  }
}

async function deriveKeys(secretKey: string): Promise<Keys> {
  const [master, legacy] = await Promise.all([
    scryptAsync(secretKey, masterSalt, keyBytes),
    scryptAsync(secretKey, legacySalt, keyBytes),
  ])
  return { master, legacy }
}

function seal(masterKey: Buffer, plain: string, context: string): string {
  const salt = randomBytes(saltBytes)
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', recordKey(masterKey, salt), iv)
  cipher.setAAD(Buffer.from(context))
  const encrypted = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return [salt, iv, cipher.getAuthTag(), encrypted].map(part => part.toString('base64')).join(':')
}

/** One key after the other; the first that opens it counts, and only the first is current. */
function readSealed(keys: readonly Keys[], sealed: string, context: string) {
  const { box, salt } = parse(sealed)
  const failures: unknown[] = []
  for (const [at, { master, legacy }] of keys.entries()) {
    try {
      if (salt === undefined) return { plain: decipher(box, legacy), isCurrent: false }
      return { plain: decipher(box, recordKey(master, salt), context), isCurrent: at === 0 }
    } catch (error) {
      // GCM refused: another key, another row, or a change.
      failures.push(error)
    }
  }
  throw new CredentialError('The stored credential does not open with this SECRET_KEY.', {
    cause: failures[0],
  })
}

interface Box {
  readonly iv: Buffer
  readonly tag: Buffer
  readonly encrypted: Buffer
}

function parse(sealed: string): { box: Box; salt: Buffer | undefined } {
  const texts = sealed.split(':')
  const isHex = texts.length === 3 && texts.every(text => /^([0-9a-f]{2})*$/i.test(text))
  const parts = texts.map(text => Buffer.from(text, isHex ? 'hex' : 'base64'))
  const salt = parts.length === 4 ? parts.shift() : undefined
  const [iv, tag, encrypted, ...rest] = parts
  const isWellFormed =
    (salt === undefined ? iv?.length === ivBytes || iv?.length === 16 : iv?.length === ivBytes) &&
    (salt === undefined || salt.length === saltBytes) &&
    tag?.length === tagBytes
  if (!isWellFormed || !iv || !tag || !encrypted || rest.length > 0) {
    throw new CredentialError('The stored credential does not have the form salt:iv:tag:text.')
  }
  return { box: { iv, tag, encrypted }, salt }
}

function decipher({ iv, tag, encrypted }: Box, key: Buffer, context?: string): string {
  const opening = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
  if (context !== undefined) opening.setAAD(Buffer.from(context))
  opening.setAuthTag(tag)
  return Buffer.concat([opening.update(encrypted), opening.final()]).toString('utf8')
}

function recordKey(masterKey: Buffer, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, salt, 'record', keyBytes))
}
