import { generateKeyPairSync } from 'node:crypto'

export interface SigningKey {
  readonly privateKey: string
  readonly publicKeyPem: string
}

const publicKeyEncoding = { type: 'spki', format: 'pem' } as const
const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const

export function makeRsaKey(): SigningKey {
  const encodings = { modulusLength: 2048, publicKeyEncoding, privateKeyEncoding }
  const { privateKey, publicKey } = generateKeyPairSync('rsa', encodings)
  return { privateKey, publicKeyPem: publicKey }
}

export function makeEcdsaKey(): SigningKey {
  const encodings = { namedCurve: 'P-256', publicKeyEncoding, privateKeyEncoding }
  const { privateKey, publicKey } = generateKeyPairSync('ec', encodings)
  return { privateKey, publicKeyPem: publicKey }
}
