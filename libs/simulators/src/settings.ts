import type { OriginOptions } from './cloudfront/origin.ts'
import type { TrustedKey } from './cloudfront/signed-url.ts'
import type { ServiceAddresses } from './alb/alb.ts'

/** What the process of all simulators needs to know; every field comes from one variable. */
export interface Settings {
  readonly host: string
  readonly edgePort: number
  readonly cdnPort: number
  readonly privateCdnPort: number
  readonly providersPort: number
  /** Without a port there is no Stripe; without an address it sends its events nowhere. */
  readonly stripePort: number | undefined
  readonly stripeWebhook: { readonly url: string; readonly secret: string } | undefined
  readonly publicOrigin: OriginOptions
  readonly privateOrigin: OriginOptions
  readonly cloudFrontKeys: readonly TrustedKey[]
  readonly cdnAliases: readonly string[]
  readonly privateCdnAliases: readonly string[]
  readonly stable: ServiceAddresses
  readonly beta: ServiceAddresses
  /** The web client: its built files, or a server that has them. */
  readonly webFolder: string | undefined
  readonly webAddress: string | undefined
  readonly latencyMs: number
  readonly replicateSecret: string | undefined
  readonly invalidationDelayMs: number
}

type Environment = Readonly<Record<string, string | undefined>>

/** Reads the variables, or throws one error that names every fault. */
export function readSettings(environment: Environment): Settings {
  const faults: string[] = []
  const read = readerOf(environment, faults)
  const publicBucket = read.text('S3_BUCKET_PUBLIC')
  const privateBucket = read.text('S3_BUCKET_PRIVATE')
  // Named so that a mix-up shows at the start: no distribution delivers from the admin bucket.
  const adminBucket = read.text('S3_BUCKET_ADMIN')
  if (new Set([publicBucket, privateBucket, adminBucket]).size < 3) {
    faults.push('S3_BUCKET_PUBLIC, S3_BUCKET_PRIVATE and S3_BUCKET_ADMIN must differ')
  }
  const s3 = {
    endpoint: read.address('S3_ENDPOINT'),
    accessKeyId: read.text('S3_ACCESS_KEY'),
    secretAccessKey: read.text('S3_SECRET_KEY'),
    region: read.text('S3_REGION', 'us-east-2'),
  }
  const settings = {
    host: read.text('HOST', '127.0.0.1'),
    edgePort: read.integer('EDGE_PORT'),
    cdnPort: read.integer('CDN_PORT'),
    privateCdnPort: read.integer('PRIVATE_CDN_PORT'),
    providersPort: read.integer('PROVIDERS_PORT'),
    stripePort: environment['STRIPE_PORT'] ? read.integer('STRIPE_PORT') : undefined,
    stripeWebhook: environment['STRIPE_WEBHOOK_URL']
      ? { url: read.address('STRIPE_WEBHOOK_URL'), secret: read.text('STRIPE_WEBHOOK_SECRET') }
      : undefined,
    publicOrigin: { ...s3, bucket: publicBucket },
    privateOrigin: { ...s3, bucket: privateBucket },
    cloudFrontKeys: read.keys('CLOUDFRONT_KEYS'),
    cdnAliases: read.list('CDN_ALIASES'),
    privateCdnAliases: read.list('PRIVATE_CDN_ALIASES'),
    stable: read.addresses('SERVICE_ADDRESSES'),
    beta: read.addresses('BETA_SERVICE_ADDRESSES', '{}'),
    webFolder: environment['WEB_FOLDER'] || undefined,
    webAddress: environment['WEB_ADDRESS'] ? read.address('WEB_ADDRESS') : undefined,
    latencyMs: read.integer('PROVIDER_LATENCY_MS', '2000'),
    replicateSecret: environment['REPLICATE_WEBHOOK_SECRET'] || undefined,
    invalidationDelayMs: read.integer('INVALIDATION_DELAY_MS', '1000'),
  }
  if (faults.length > 0) throw new Error(`The environment is not right: ${faults.join('; ')}`)
  return settings
}

function readerOf(environment: Environment, faults: string[]) {
  const text = (name: string, otherwise?: string): string => {
    const value = environment[name] || otherwise
    if (value === undefined) faults.push(`${name} is missing`)
    return value ?? ''
  }
  const integer = (name: string, otherwise?: string): number => {
    const value = text(name, otherwise)
    if (value !== '' && !/^\d{1,6}$/.test(value)) faults.push(`${name} is not a whole number`)
    return Number(value)
  }
  const address = (name: string): string => {
    const value = text(name)
    if (value !== '' && !isAddress(value)) faults.push(`${name} is not an http address`)
    return value
  }
  const list = (name: string): string[] => text(name, ' ').trim().split(',').filter(Boolean)
  const json = (name: string, otherwise?: string): unknown => {
    const value = text(name, otherwise)
    if (value === '') return undefined
    try {
      return JSON.parse(value)
    } catch {
      // Not JSON: a fault like the others, told with them.
      faults.push(`${name} is not JSON`)
      return undefined
    }
  }
  const keys = (name: string): TrustedKey[] => {
    const value = json(name)
    if (value === undefined) return []
    if (Array.isArray(value) && value.every(isTrustedKey)) return value
    faults.push(`${name} is not a list of {id, publicKeyPem}`)
    return []
  }
  const addresses = (name: string, otherwise?: string): ServiceAddresses => {
    const value = json(name, otherwise)
    if (value === undefined) return {}
    const parsed = parseAddresses(value)
    if (parsed === undefined) faults.push(`${name} is not an object of http addresses`)
    return parsed ?? {}
  }
  return { text, integer, address, list, keys, addresses }
}

function isTrustedKey(value: unknown): value is TrustedKey {
  if (typeof value !== 'object' || value === null) return false
  const { id, publicKeyPem } = { id: undefined, publicKeyPem: undefined, ...value }
  return typeof id === 'string' && id !== '' && typeof publicKeyPem === 'string'
}

/** One address or a list of them for each service. */
function parseAddresses(value: unknown): ServiceAddresses | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value).map(([service, given]: [string, unknown]) => {
    const urls: unknown[] = Array.isArray(given) ? given : [given]
    return [service, urls.filter(isAddress), urls.length] as const
  })
  if (entries.some(([, urls, count]) => urls.length !== count)) return undefined
  return Object.fromEntries(entries.map(([service, urls]) => [service, urls]))
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && URL.canParse(value) && new URL(value).protocol === 'http:'
}
