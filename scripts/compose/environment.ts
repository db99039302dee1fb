import { randomBytes } from 'node:crypto'
import { buckets, s3Region } from '../local/object-store-plan.ts'
import { Refusal } from '../local/refusal.ts'
import { newSecrets } from '../local/secrets.ts'

const host = '127.0.0.1'
const frontSubnet = '172.29.77.0/24'
const portMax = 65_530

/** New secrets and the addresses of a Compose system on this machine, as the text of its .env. */
export function composeEnvironment(portBase: number): string {
  if (!Number.isInteger(portBase) || portBase < 1024 || portBase > portMax) {
    throw new Refusal(`--port-base must be a whole number from 1024 to ${portMax}.`)
  }
  const entries = Object.entries(variablesOf(portBase))
  return [preface, ...entries.map(([name, value]) => `${name}='${value}'\n`)].join('')
}

const preface = '# Made by scripts/compose-env.ts for docker-compose.yml. Keep it to yourself.\n'

function variablesOf(portBase: number): Readonly<Record<string, string>> {
  const secrets = newSecrets()
  const { id, publicKeyPem, privateKeyPem } = secrets.cloudFront
  const redis = `redis://:${secrets.redisPassword}@redis:6379`
  const ports = portsFrom(portBase)
  return {
    ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
    FRONT_SUBNET: frontSubnet,
    TRUSTED_PROXIES: frontSubnet,
    COOKIE_SECURE: 'false',
    RATE_LIMIT_PROFILE: 'development',
    POSTGRES_PASSWORD: secrets.postgresPassword,
    REDIS_PASSWORD: secrets.redisPassword,
    DATABASE_URL: `postgres://funmagic:${secrets.postgresPassword}@postgres:5432/funmagic`,
    REDIS_QUEUE_URL: `${redis}/0`,
    REDIS_CACHE_URL: `${redis}/1`,
    S3_REGION: s3Region,
    S3_ENDPOINT: `http://object-store:${ports.S3_PORT}`,
    S3_PUBLIC_ENDPOINT: `http://${host}:${ports.S3_PORT}`,
    UPLOAD_ORIGINS: `http://${host}:${ports.S3_PORT}`,
    S3_ACCESS_KEY: secrets.s3AccessKeyId,
    S3_SECRET_KEY: secrets.s3SecretAccessKey,
    ...buckets,
    CDN_URL: `http://${host}:${ports.CDN_PORT}`,
    PRIVATE_CDN_URL: `http://${host}:${ports.PRIVATE_CDN_PORT}`,
    // Cookies know no ports: the one host of a laptop is the API and the private CDN.
    GALLERY_COOKIE_DOMAIN: host,
    CDN_DISTRIBUTION_ID: 'E1PUBLICASSETS',
    CLOUDFRONT_ENDPOINT: `http://simulators:${ports.CDN_PORT}`,
    CLOUDFRONT_KEY_PAIR_ID: id,
    CLOUDFRONT_PRIVATE_KEY: privateKeyPem,
    CLOUDFRONT_KEYS: JSON.stringify([{ id, publicKeyPem }]),
    METRICS_AUTH_TOKEN: randomBytes(24).toString('base64url'),
    SECRET_KEY: secrets.secretKey,
    DEMO_ACCOUNTS: JSON.stringify(secrets.accounts),
    ...providerVariables(ports),
    ...stripeVariables(ports),
  }
}

type Ports = ReturnType<typeof portsFrom>

function portsFrom(portBase: number) {
  return {
    EDGE_PORT: portBase,
    CDN_PORT: portBase + 1,
    PRIVATE_CDN_PORT: portBase + 2,
    PROVIDERS_PORT: portBase + 3,
    S3_PORT: portBase + 4,
    STRIPE_PORT: portBase + 5,
  }
}

/** The simulated providers, which call back through the load balancer beside them. */
function providerVariables(ports: Ports): Readonly<Record<string, string>> {
  const simulators = `http://simulators:${ports.PROVIDERS_PORT}`
  return {
    PROVIDER_SIMULATORS_URL: simulators,
    PROVIDER_CALLBACK_URL: `http://simulators:${ports.EDGE_PORT}`,
    FAL_WEBHOOK_JWKS_URL: `${simulators}/fal/.well-known/jwks.json`,
    REPLICATE_WEBHOOK_SECRET: newWebhookSecret(),
  }
}

/** The simulated Stripe; a real account's keys and https://api.stripe.com go in their place. */
function stripeVariables(ports: Ports): Readonly<Record<string, string>> {
  const edge = `http://${host}:${ports.EDGE_PORT}`
  return {
    STRIPE_SECRET_KEY: 'sk_test_compose',
    STRIPE_WEBHOOK_SECRET: newWebhookSecret(),
    STRIPE_API_URL: `http://simulators:${ports.STRIPE_PORT}`,
    CHECKOUT_SUCCESS_URL: `${edge}/credits?checkout=success`,
    CHECKOUT_CANCEL_URL: `${edge}/credits?checkout=canceled`,
  }
}

function newWebhookSecret(): string {
  return `whsec_${randomBytes(24).toString('base64')}`
}
