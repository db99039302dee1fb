import { randomUUID } from 'node:crypto'
import cors from '@fastify/cors'
import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { LogController } from 'fastify'
import { addHealthRoutes, type HealthChecks } from './health-routes.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { addOriginCheck } from './origin-check.ts'
import { addProblemHandlers } from './problem-handlers.ts'
import type { HttpSettings } from './settings.ts'
import type { Server } from './server.ts'
import { addValidation } from './validation.ts'

export type { RoutePlugin, Server } from './server.ts'

export interface ServerOptions {
  readonly service: string
  readonly title: string
  readonly description: string
  readonly logger: Logger
  readonly metrics: Metrics
  readonly http: HttpSettings
  /** What the service needs; each check rejects when it is not there. */
  readonly health: HealthChecks
  readonly bodyLimitBytes?: number
}

/** A server, and the switch that takes it out of the load balancer before it closes. */
export interface HttpServer {
  readonly app: Server
  /** Fails the health check, lets the load balancer notice for `drainMs`, then closes. */
  readonly drain: () => Promise<void>
}

const bodyLimitDefaultBytes = 1_048_576
const requestTimeoutMs = 30_000
// Longer than the load balancer's 60 s, which must be the side that closes an idle connection.
const keepAliveTimeoutMs = 72_000
const requestIdPattern = /^[A-Za-z0-9-]{8,64}$/

const exposedHeaders = [
  'X-Request-Id',
  'Retry-After',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'Preference-Applied',
  'ETag',
]
const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=()',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-site',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
}

/**
 * A Fastify server with what every service has: request ids (O2), the one problem handler (K2),
 * strict validation, CORS and the origin check (decision 15), security headers (S11), health
 * (O11), metrics (O3, O7) and an OpenAPI document at /openapi.json.
 */
export async function createServer(options: ServerOptions): Promise<HttpServer> {
  const app = createFastify(options)
  const draining = { isDraining: false }
  addResponseHeaders(app, { draining, servedBy: options.http.servedBy })
  addRequestLog(app, options.metrics)
  addValidation(app)
  addProblemHandlers(app)
  await app.register(cors, {
    origin: options.http.allowedOrigins,
    credentials: true,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    exposedHeaders,
    maxAge: 600,
  })
  addOriginCheck(app, options.http.allowedOrigins)
  await addDocument(app, options)
  addHealthRoutes(app, { ...options, draining })
  return { app, drain: () => drain(app, draining, options.http.drainMs) }
}

function createFastify(options: ServerOptions): Server {
  return Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimitBytes ?? bodyLimitDefaultBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    requestIdHeader: false,
    genReqId: request => chooseRequestId(request.headers['x-request-id']),
    trustProxy: options.http.trustedProxies,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    // What is still accepted while closing is answered, not refused: the drain comes first.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: false },
  }).withTypeProvider<TypeBoxTypeProvider>()
}

/** The OpenAPI document of this service; the edge merges those of all services. */
async function addDocument(app: Server, options: ServerOptions): Promise<void> {
  const { service, title, description } = options
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, description, version: '0.1.0' },
      tags: [{ name: service, description }],
    },
  })
  app.addHook('onRoute', route => {
    if (route.schema) route.schema = { tags: [service], ...route.schema }
  })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
}

async function drain(
  app: Server,
  draining: { isDraining: boolean },
  drainMs: number,
): Promise<void> {
  draining.isDraining = true
  await new Promise(resolve => setTimeout(resolve, drainMs))
  await app.close()
}

function chooseRequestId(header: string | string[] | undefined): string {
  return typeof header === 'string' && requestIdPattern.test(header) ? header : randomUUID()
}

interface ResponseHeaders {
  readonly draining: { readonly isDraining: boolean }
  readonly servedBy: string | undefined
}

/** X-Served-By says which stack answered, since a load balancer of AWS does not (G1). */
function addResponseHeaders(app: Server, { draining, servedBy }: ResponseHeaders): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.headers(securityHeaders)
    if (servedBy !== undefined) reply.header('x-served-by', servedBy)
    // A connection that is about to be closed must not be kept by the proxy.
    if (draining.isDraining) reply.header('connection', 'close')
  })
}

/** One line and one observation per request; health and metrics are left out (O3). */
function addRequestLog(app: Server, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unmatched'
    if (route.startsWith('/health') || route === '/metrics') return
    const method = request.method
    const status = reply.statusCode
    metrics.observeRequest({ method, route, status, seconds: reply.elapsedTime / 1000 })
    const line = { requestId: request.id, method, route, status, ms: Math.round(reply.elapsedTime) }
    request.log.info(line, 'request answered')
  })
}
