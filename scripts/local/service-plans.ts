import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import type { ChildPlan } from './child.ts'
import { projectFolder } from './folders.ts'
import { host, type PortName, type Ports } from './ports.ts'
import type { Secrets } from './secrets.ts'
import type { OutsideStore } from './settings.ts'
import type { Part } from './supervisor.ts'

/** The servers that everything else needs, wherever they are. */
export interface Stores {
  readonly databaseUrl: string
  readonly redis: { readonly queue: string; readonly cache: string }
  readonly s3: OutsideStore
}

export interface PlanContext {
  readonly ports: Ports
  readonly stores: Stores
  readonly secrets: Secrets
  readonly inherited: Readonly<Record<string, string>>
}

/** The port of each service by its folder under services/. */
export const servicePorts = {
  auth: 'auth',
  asset: 'asset',
  credit: 'credit',
  'task-gateway': 'taskGateway',
  progress: 'progress',
  'provider-worker': 'providerWorker',
} as const satisfies Record<string, PortName>

export type ServiceName = keyof typeof servicePorts
export const serviceNames = Object.keys(servicePorts).filter(isServiceName)

// Node keeps compiled and type-stripped code there: later starts are faster, and the processes,
// which then need no compiler of their own, smaller. So does a small nursery of the heap.
const compileCacheFolder = join(projectFolder, 'node_modules/.cache/node')
const nodeOptions = ['--max-semi-space-size=4']
// The one that libs/simulators gives to the CDN in front of the public bucket.
const publicDistributionId = 'E1PUBLICASSETS'
const readyDeadlineMs = 60_000
const healthTimeoutMs = 2_000
// Services close within 25 s; one that does not is killed.
const stopDeadlineMs = 27_000

export function addressOf(ports: Ports, name: PortName): string {
  return `http://${host}:${ports[name]}`
}

export function servicePart(context: PlanContext, name: ServiceName): Part {
  const { ports, stores, secrets, inherited } = context
  const port = ports[servicePorts[name]]
  const folder = join(projectFolder, 'services', name)
  const plan: ChildPlan = {
    name,
    command: process.execPath,
    parameters: [...nodeOptions, '--import', '@funmagic/runtime/telemetry', 'src/main.ts'],
    environment: {
      NODE_COMPILE_CACHE: compileCacheFolder,
      // What a laptop wants, unless the person says otherwise.
      RATE_LIMIT_PROFILE: 'development',
      WORKER_GRACE_MS: '5000',
      // Longer than the simulated load balancer takes to notice, which asks once a second.
      DRAIN_MS: '2500',
      ...stripeVariables(context),
      ...inherited,
      ...storeVariables(stores),
      HOST: host,
      PORT: String(port),
      SECRET_KEY: secrets.secretKey,
      // Plain HTTP on loopback.
      COOKIE_SECURE: 'false',
      // Cookies know no ports: the one host of a laptop is the API and the private CDN.
      GALLERY_COOKIE_DOMAIN: host,
      CDN_URL: addressOf(ports, 'cdn'),
      PRIVATE_CDN_URL: addressOf(ports, 'privateCdn'),
      CLOUDFRONT_KEY_PAIR_ID: secrets.cloudFront.id,
      CLOUDFRONT_PRIVATE_KEY: secrets.cloudFront.privateKeyPem,
      CLOUDFRONT_ENDPOINT: addressOf(ports, 'cdn'),
      CDN_DISTRIBUTION_ID: publicDistributionId,
      PROVIDER_SIMULATORS_URL: providersAddress(context),
      ...webhookVariables(context),
    },
    folder,
    stopSignal: 'SIGTERM',
    stopDeadlineMs,
  }
  const check = () => expectOk(`http://${host}:${port}/health`)
  return { plan, check, readyDeadlineMs, isHeard: true }
}

/** The load balancer with the web client, the CDNs and the providers: one process. */
export function simulatorsPart(context: PlanContext, webFolder: string): Part {
  const { ports, stores, secrets, inherited } = context
  const addresses = serviceNames.map(name => [name, addressOf(ports, servicePorts[name])])
  const { id, publicKeyPem } = secrets.cloudFront
  const plan: ChildPlan = {
    name: 'simulators',
    command: process.execPath,
    parameters: [...nodeOptions, 'src/main.ts'],
    environment: {
      NODE_COMPILE_CACHE: compileCacheFolder,
      ...inherited,
      ...storeVariables(stores),
      HOST: host,
      EDGE_PORT: String(ports.edge),
      CDN_PORT: String(ports.cdn),
      PRIVATE_CDN_PORT: String(ports.privateCdn),
      PROVIDERS_PORT: String(ports.providers),
      STRIPE_PORT: String(ports.stripe),
      STRIPE_WEBHOOK_URL: `${addressOf(ports, 'edge')}/api/credits/webhooks/stripe`,
      STRIPE_WEBHOOK_SECRET: webhookSecretOf(secrets),
      CLOUDFRONT_KEYS: JSON.stringify([{ id, publicKeyPem }]),
      WEB_FOLDER: webFolder,
      SERVICE_ADDRESSES: JSON.stringify(Object.fromEntries(addresses)),
      ...webhookVariables(context),
    },
    folder: join(projectFolder, 'libs/simulators'),
    stopSignal: 'SIGTERM',
    stopDeadlineMs,
  }
  const check = () => expectOk(`${addressOf(ports, 'providers')}/health`)
  return { plan, check, readyDeadlineMs, isHeard: true }
}

/** The simulated Stripe, unless the person has given keys of a real account. */
function stripeVariables({ ports, secrets, inherited }: PlanContext): Record<string, string> {
  if (inherited['STRIPE_SECRET_KEY'] !== undefined) return {}
  const edge = addressOf(ports, 'edge')
  return {
    STRIPE_SECRET_KEY: 'sk_test_local',
    STRIPE_WEBHOOK_SECRET: webhookSecretOf(secrets),
    STRIPE_API_URL: addressOf(ports, 'stripe'),
    CHECKOUT_SUCCESS_URL: `${edge}/credits?checkout=success`,
    CHECKOUT_CANCEL_URL: `${edge}/credits?checkout=canceled`,
  }
}

function webhookSecretOf({ secretKey }: Secrets): string {
  return `whsec_${createHmac('sha256', secretKey).update('stripe').digest('hex')}`
}

/** Where the services find the simulated providers: `npm run chaos` puts a proxy in between. */
export function providersAddress({
  ports,
  inherited,
}: Pick<PlanContext, 'ports' | 'inherited'>): string {
  return inherited['PROVIDER_SIMULATORS_URL'] ?? addressOf(ports, 'providers')
}

/** The way a person takes: through the load balancer to a service and its database. */
export function checkEdge(ports: Ports): Promise<void> {
  return expectOk(`${addressOf(ports, 'edge')}/api/tools`)
}

/** The simulated providers call back through the load balancer, signed with these. */
function webhookVariables({ ports, secrets }: PlanContext): Record<string, string> {
  const hmac = createHmac('sha256', secrets.secretKey).update('webhooks of simulated Replicate')
  return {
    PROVIDER_CALLBACK_URL: addressOf(ports, 'edge'),
    FAL_WEBHOOK_JWKS_URL: `${addressOf(ports, 'providers')}/fal/.well-known/jwks.json`,
    REPLICATE_WEBHOOK_SECRET: `whsec_${hmac.digest('base64')}`,
  }
}

function storeVariables({ databaseUrl, redis, s3 }: Stores): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    REDIS_QUEUE_URL: redis.queue,
    REDIS_CACHE_URL: redis.cache,
    S3_ENDPOINT: s3.endpoint,
    S3_ACCESS_KEY: s3.accessKeyId,
    S3_SECRET_KEY: s3.secretAccessKey,
    S3_REGION: s3.region,

    ...s3.buckets,
  }
}

async function expectOk(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(healthTimeoutMs) })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
}

function isServiceName(name: string): name is ServiceName {
  return Object.hasOwn(servicePorts, name)
}
