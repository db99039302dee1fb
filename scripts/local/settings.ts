import type { ProviderType } from '@funmagic/contract/tool'
import { localFolders, type Folders } from './folders.ts'
import { buckets, s3Region } from './object-store-plan.ts'
import { readPorts, type Ports } from './ports.ts'
import { Refusal } from './refusal.ts'

/** What the person starting it has chosen, read once from the environment. */
export interface LocalSettings {
  readonly folders: Folders
  readonly ports: Ports
  readonly outside: OutsideServers
  readonly providerKeys: Readonly<Partial<Record<ProviderType, string>>>
  /** What the services inherit, before their own variables. */
  readonly inherited: Readonly<Record<string, string>>
  readonly searchPath: string
  readonly isColorWanted: boolean
}

/** Servers that are used in place of the embedded ones. */
export interface OutsideServers {
  readonly databaseUrl: string | undefined
  readonly redis: { readonly queue: string; readonly cache: string } | undefined
  readonly s3: OutsideStore | undefined
}

export interface OutsideStore {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
  readonly buckets: Readonly<Record<keyof typeof buckets, string>>
}

type Environment = NodeJS.ProcessEnv

const providerVariables = {
  openai: 'OPENAI_API_KEY',
  replicate: 'REPLICATE_API_TOKEN',
  fal: 'FAL_KEY',
  tripo: 'TRIPO_API_KEY',
  google: 'GEMINI_API_KEY',
} as const satisfies Record<ProviderType, string>

/** Throws a Refusal that says what to set when only a part of a server is named. */
export function readSettings(environment: Environment): LocalSettings {
  return {
    folders: localFolders(environment),
    ports: readPorts(environment),
    outside: {
      databaseUrl: textOf(environment, 'DATABASE_URL'),
      redis: readRedis(environment),
      s3: readStore(environment),
    },
    providerKeys: readProviderKeys(environment),
    inherited: readInherited(environment),
    searchPath: environment['PATH'] ?? '',
    isColorWanted: environment['NO_COLOR'] === undefined,
  }
}

export function readProviderKeys(environment: Environment): Partial<Record<ProviderType, string>> {
  const keys: Partial<Record<ProviderType, string>> = {}
  for (const type of Object.keys(providerVariables).filter(isProviderType)) {
    const key = textOf(environment, providerVariables[type])
    if (key !== undefined) keys[type] = key
  }
  return keys
}

function readRedis(environment: Environment): OutsideServers['redis'] {
  const queue = textOf(environment, 'REDIS_QUEUE_URL')
  const cache = textOf(environment, 'REDIS_CACHE_URL')
  if (queue === undefined && cache === undefined) return undefined
  if (queue !== undefined && cache !== undefined) return { queue, cache }
  throw new Refusal('Set both REDIS_QUEUE_URL and REDIS_CACHE_URL, or neither; one server will do.')
}

function readStore(environment: Environment): OutsideStore | undefined {
  const endpoint = textOf(environment, 'S3_ENDPOINT')
  if (endpoint === undefined) return undefined
  const accessKeyId = textOf(environment, 'S3_ACCESS_KEY')
  const secretAccessKey = textOf(environment, 'S3_SECRET_KEY')
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new Refusal('S3_ENDPOINT is set: set S3_ACCESS_KEY and S3_SECRET_KEY as well.')
  }
  return {
    endpoint,
    accessKeyId,
    secretAccessKey,
    region: textOf(environment, 'S3_REGION') ?? s3Region,
    buckets: {
      S3_BUCKET_PUBLIC: textOf(environment, 'S3_BUCKET_PUBLIC') ?? buckets.S3_BUCKET_PUBLIC,
      S3_BUCKET_PRIVATE: textOf(environment, 'S3_BUCKET_PRIVATE') ?? buckets.S3_BUCKET_PRIVATE,
      S3_BUCKET_ADMIN: textOf(environment, 'S3_BUCKET_ADMIN') ?? buckets.S3_BUCKET_ADMIN,
    },
  }
}

/** Everything but npm's own variables and the providers' keys, which only the seeds need. */
function readInherited(environment: Environment): Record<string, string> {
  const keyNames: readonly string[] = Object.values(providerVariables)
  const inherited: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment)) {
    const isOurs = name.startsWith('FUNMAGIC_') || keyNames.includes(name)
    if (value !== undefined && !isOurs && !/^npm_/i.test(name)) inherited[name] = value
  }
  return inherited
}

function textOf(environment: Environment, name: string): string | undefined {
  const value = environment[name]
  return value === '' ? undefined : value
}

function isProviderType(name: string): name is ProviderType {
  return Object.hasOwn(providerVariables, name)
}
