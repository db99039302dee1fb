import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'

export interface StartedContainer extends AsyncDisposable {
  readonly url: string
}

const pingTimeoutMs = 1_000
const startTimeoutMs = 120_000
const password = 'test'
// The versions that the Compose file and production run.
const postgresImage = 'postgres:17'
const redisImage = 'redis:7'

/** True when a Docker engine (or one that speaks its protocol) answers within a second. */
export async function hasDocker(environment: NodeJS.ProcessEnv): Promise<boolean> {
  const places = [
    environment['DOCKER_HOST'],
    'unix:///var/run/docker.sock',
    `unix://${join(environment['HOME'] ?? homedir(), '.docker/run/docker.sock')}`,
  ]
  for (const place of places) if (place !== undefined && (await answersPing(place))) return true
  return false
}

export async function startPostgresContainer(connectionsMax: number): Promise<StartedContainer> {
  const { GenericContainer, Wait } = await import('testcontainers')
  const settings = ['fsync=off', 'synchronous_commit=off', `max_connections=${connectionsMax}`]
  const flags = settings.flatMap(setting => ['-c', setting])
  const container = await new GenericContainer(postgresImage)
    .withEnvironment({ POSTGRES_USER: 'funmagic', POSTGRES_PASSWORD: password })
    .withCommand(['postgres', ...flags])
    .withExposedPorts(5432)
    // The first time it is ready only for its own set-up.
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .withStartupTimeout(startTimeoutMs)
    .start()
  const address = `${container.getHost()}:${container.getMappedPort(5432)}`
  return {
    url: `postgres://funmagic:${password}@${address}/postgres`,
    [Symbol.asyncDispose]: async () => void (await container.stop()),
  }
}

export async function startRedisContainer(): Promise<StartedContainer> {
  const { GenericContainer, Wait } = await import('testcontainers')
  const container = await new GenericContainer(redisImage)
    .withExposedPorts(6379)
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .withStartupTimeout(startTimeoutMs)
    .start()
  return {
    url: `redis://${container.getHost()}:${container.getMappedPort(6379)}`,
    [Symbol.asyncDispose]: async () => void (await container.stop()),
  }
}

async function answersPing(place: string): Promise<boolean> {
  const target = toTarget(place)
  if (target === undefined) return false
  return new Promise(resolve => {
    const ping = request({ ...target, path: '/_ping', timeout: pingTimeoutMs }, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    ping.once('timeout', () => ping.destroy())
    ping.once('error', () => resolve(false))
    ping.end()
  })
}

function toTarget(place: string) {
  if (place.startsWith('unix://')) {
    const socketPath = place.slice('unix://'.length)
    return existsSync(socketPath) ? { socketPath } : undefined
  }
  if (!place.startsWith('tcp://')) return undefined
  const { hostname, port } = new URL(place)
  return { host: hostname, port: Number(port) }
}
