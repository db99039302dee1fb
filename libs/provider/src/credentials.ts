import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'

/** Seals and opens provider keys. `context` names the row; a sealed key opens only with its own. */
export interface Credentials {
  seal(plain: string, context: string): string
  open(sealed: string, context: string): string
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
const scryptAsync = promisify<string, string, number, Buffer>(scrypt)

/**
 * AES-256-GCM under a key derived from SECRET_KEY, written as `salt:iv:authTag:encrypted` in
 * base64 (requirement S12). scrypt runs once here, off the event loop; each record then gets a
 * key of its own from its salt by HKDF, so that sealing and opening do not block.
 */
export async function openCredentials(secretKey: string): Promise<Credentials> {
  const masterKey = await scryptAsync(secretKey, masterSalt, keyBytes)
  return {
    seal: (plain, context) => seal(masterKey, plain, context),
    open: (sealed, context) => open(masterKey, sealed, context),
  }
}

function seal(masterKey: Buffer, plain: string, context: string): string {
  const salt = randomBytes(saltBytes)
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', recordKey(masterKey, salt), iv)
  cipher.setAAD(Buffer.from(context))
  const encrypted = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return [salt, iv, cipher.getAuthTag(), encrypted].map(part => part.toString('base64')).join(':')
}

function open(masterKey: Buffer, sealed: string, context: string): string {
  const [salt, iv, tag, encrypted, ...rest] = sealed.split(':').map(part => {
    return Buffer.from(part, 'base64')
  })
  const isWellFormed =
    salt?.length === saltBytes && iv?.length === ivBytes && tag?.length === tagBytes
  if (!isWellFormed || encrypted === undefined || rest.length > 0) {
    throw new CredentialError('The stored credential does not have the form salt:iv:tag:text.')
  }
  const decipher = createDecipheriv('aes-256-gcm', recordKey(masterKey, salt), iv)
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(tag)
  try {
    return Buffer.concat([decipher.update(encrypted), decipher.final()]).toString('utf8')
  } catch (error) {
    throw new CredentialError('The stored credential does not open with this SECRET_KEY.', {
      cause: error,
    })
  }
}

function recordKey(masterKey: Buffer, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, salt, 'record', keyBytes))
}
