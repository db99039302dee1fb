import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startAlb } from '@funmagic/simulators/alb'
import { startCloudFront } from '@funmagic/simulators/cloudfront'
import { loadRouting, type Routing } from '@funmagic/simulators/routing'
import type { Installation } from '../doctor/installation.ts'

interface Teardown {
  teardown(work: () => unknown): void
  testdir(): string
}

/** What is wrong with the installation; each is one thing that doctor must find. */
export interface Faults {
  readonly routing?: (routing: Routing) => Routing
  /** Stands in for the load balancer. */
  readonly edge?: RequestListener
  readonly service?: RequestListener
  readonly isPrivateOpen?: boolean
  readonly store?: RequestListener
}

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-request-id': 'a-request-of-doctor',
}
const document = {
  openapi: '3.1.0',
  paths: { '/api/tools': {}, '/api/assets': {}, '/api/auth/get-session': {} },
}

/** A service that is as it should be. */
export const goodService: RequestListener = (request, response) => {
  response.writeHead(200, { ...securityHeaders, 'content-type': 'application/json' })
  response.end(JSON.stringify(request.url === '/openapi.json' ? document : { status: 'ok' }))
}

const closedStore: RequestListener = (_request, response) => {
  response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>')
}

/** An installation of simulators in this process, with the faults that are asked for. */
export async function startInstallation(t: Teardown, faults: Faults = {}): Promise<Installation> {
  const routing = await loadRouting()
  const service = await serve(t, faults.service ?? goodService)
  const store = await serve(t, faults.store ?? closedStore)
  const services = Object.fromEntries(Object.keys(routing.services).map(name => [name, service]))
  const listed = Object.fromEntries(Object.keys(services).map(name => [name, [service]]))
  const rules = faults.routing?.(routing) ?? routing
  const alb = await startAlb({ routing: rules, stable: listed, beta: listed, waitMs: 200 })
  t.teardown(() => alb[Symbol.asyncDispose]())
  const origin = { endpoint: store, region: 'us-east-2', accessKeyId: 'a', secretAccessKey: 'b' }
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const trusted = { id: 'KDOCTOR', publicKeyPem: key.export({ type: 'spki', format: 'pem' }) }
  const privateCdn = await startCloudFront({
    distributionId: 'EPRIVATE',
    origin: { ...origin, bucket: 'private' },
    prefix: 'private/',
    ...(!faults.isPrivateOpen && {
      trustedKeys: [{ id: trusted.id, publicKeyPem: String(trusted.publicKeyPem) }],
    }),
  })
  t.teardown(() => privateCdn[Symbol.asyncDispose]())
  return {
    title: 'simulators',
    edge: faults.edge ? await serve(t, faults.edge) : alb.url,
    cdn: store,
    privateCdn: privateCdn.url,
    buckets: { public: `${store}/public`, private: `${store}/private`, admin: `${store}/admin` },
    services,
    hasBeta: true,
    publicObject: undefined,
    isLocal: true,
  }
}

/** Listens on loopback until the test ends. */
export async function serve(t: Teardown, listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listenOn(t, createServer(listener))}`
}

export async function listenOn(t: Teardown, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A certificate of localhost for 90 days, made by openssl; undefined where that is not there. */
export function makeCertificate(t: Teardown): { key: string; cert: string } | undefined {
  const folder = t.testdir()
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '90']
  try {
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, ...files], { stdio: 'ignore' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  return { key: read('key.pem'), cert: read('cert.pem') }
}
