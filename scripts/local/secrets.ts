import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Refusal } from './refusal.ts'

/** Made at random at the first start and kept in .local/secrets.json, readable by its owner. */
export interface Secrets {
  readonly secretKey: string
  readonly postgresPassword: string
  readonly redisPassword: string
  readonly s3AccessKeyId: string
  readonly s3SecretAccessKey: string
  readonly cloudFront: CloudFrontKey
  readonly accounts: Readonly<Record<AccountName, Account>>
}

const secretNames = [
  'secretKey',
  'postgresPassword',
  'redisPassword',
  's3AccessKeyId',
  's3SecretAccessKey',
  'cloudFront',
  'accounts',
] as const satisfies readonly (keyof Secrets)[]

export interface CloudFrontKey {
  readonly id: string
  readonly publicKeyPem: string
  readonly privateKeyPem: string
}

export const accountNames = ['user', 'admin', 'superAdmin'] as const
export type AccountName = (typeof accountNames)[number]

export interface Account {
  readonly email: string
  readonly password: string
}

/** Reads the secrets, making those that are not there yet. */
export async function loadSecrets(localFolder: string): Promise<Secrets> {
  const file = join(localFolder, 'secrets.json')
  const known = existsSync(file) ? await readSecrets(file) : {}
  if (isComplete(known)) return known
  const secrets = { ...newSecrets(), ...known }
  const draft = `${file}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: 0o600 })
  await rename(draft, file)
  return secrets
}

async function readSecrets(file: string): Promise<Partial<Secrets>> {
  const text = await readFile(file, 'utf8')
  try {
    // Written by loadSecrets, whole or not at all.
    return JSON.parse(text) as Partial<Secrets>
  } catch (error) {
    throw new Refusal(`${file} is not JSON. Bring it back, or begin anew: npm run reset`, {
      cause: error,
    })
  }
}

function isComplete(secrets: Partial<Secrets>): secrets is Secrets {
  return secretNames.every(name => secrets[name] !== undefined)
}

export function newSecrets(): Secrets {
  return {
    secretKey: randomBytes(32).toString('base64url'),
    postgresPassword: newPassword(),
    redisPassword: newPassword(),
    s3AccessKeyId: `AKIA${newName(16)}`,
    s3SecretAccessKey: randomBytes(30).toString('base64url'),
    cloudFront: newCloudFrontKey(),
    accounts: {
      user: { email: 'user@funmagic.test', password: newPassword() },
      admin: { email: 'admin@funmagic.test', password: newPassword() },
      superAdmin: { email: 'super-admin@funmagic.test', password: newPassword() },
    },
  }
}

/** CloudFront takes RSA keys of 2048 bits; their ids begin with K. */
function newCloudFrontKey(): CloudFrontKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return { id: `K${newName(13)}`, publicKeyPem: publicKey, privateKeyPem: privateKey }
}

/** Safe in a URL without escaping. */
function newPassword(): string {
  return randomBytes(12).toString('base64url')
}

function newName(length: number): string {
  const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
  return Array.from(randomBytes(length), byte => alphabet[byte % alphabet.length]).join('')
}
