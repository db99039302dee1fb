import { randomBytes } from 'node:crypto'
import { buckets, s3Region } from '../local/object-store-plan.ts'
import { Refusal } from '../local/refusal.ts'
import { newSecrets } from '../local/secrets.ts'

const frontSubnet = '172.29.77.0/24'
const portMax = 65_531

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
  const [edge, cdn, privateCdn, providers, s3] = [0, 1, 2, 3, 4].map(offset => portBase + offset)
  return {
    EDGE_PORT: String(edge),
    CDN_PORT: String(cdn),
    PRIVATE_CDN_PORT: String(privateCdn),
    PROVIDERS_PORT: String(providers),
    S3_PORT: String(s3),
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
    S3_ENDPOINT: `http://object-store:${s3}`,
    S3_PUBLIC_ENDPOINT: `http://127.0.0.1:${s3}`,
    S3_ACCESS_KEY: secrets.s3AccessKeyId,
    S3_SECRET_KEY: secrets.s3SecretAccessKey,
    ...buckets,
    CDN_URL: `http://127.0.0.1:${cdn}`,
    PRIVATE_CDN_URL: `http://127.0.0.1:${privateCdn}`,
    CDN_DISTRIBUTION_ID: 'E1PUBLICASSETS',
    CLOUDFRONT_ENDPOINT: `http://simulators:${cdn}`,
    CLOUDFRONT_KEY_PAIR_ID: id,
    CLOUDFRONT_PRIVATE_KEY: privateKeyPem,
    CLOUDFRONT_KEYS: JSON.stringify([{ id, publicKeyPem }]),
    METRICS_AUTH_TOKEN: randomBytes(24).toString('base64url'),
    SECRET_KEY: secrets.secretKey,
    DEMO_ACCOUNTS: JSON.stringify(secrets.accounts),
  }
}
