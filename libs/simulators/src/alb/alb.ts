import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { closeServer, listen, type ListenOptions, type Log, portOf } from '../listening.ts'
import { explain, type Group, type Route, type Routing } from '../routing.ts'
import { forward } from './forward.ts'
import { openApiReader } from './openapi.ts'
import { replyProblem, writeProblem } from './problem-reply.ts'
import { buildReferencePage } from './reference-page.ts'
import { TargetGroup } from './target-group.ts'
import { forwardUpgrade } from './upgrade.ts'
import type { WebPages } from './web-pages.ts'

/** The addresses of each service's copies, such as { asset: ['http://127.0.0.1:3002'] }. */
export type ServiceAddresses = Readonly<Record<string, readonly string[]>>

export interface AlbOptions extends ListenOptions {
  readonly routing: Routing
  readonly stable: ServiceAddresses
  /** Services that are not named here are served by their stable copies. */
  readonly beta?: ServiceAddresses
  /**
   * What serves the pages, which are all paths outside `/api/`: the built files, or the address of
   * a server that has them. Without it `/` leads to the API reference.
   */
  readonly web?: WebPages | string
  readonly idleTimeoutMs?: number
  readonly connectTimeoutMs?: number
  readonly healthIntervalMs?: number
  readonly healthTimeoutMs?: number
  /** How long a request waits for a copy of its service while none accepts connections. */
  readonly waitMs?: number
  /** How long open requests may go on when the balancer is closed. */
  readonly drainMs?: number
  readonly log?: Log
}

export interface Alb extends AsyncDisposable {
  readonly url: string
  /** How many copies of the service are healthy, by what the last checks said. */
  healthyCount(group: Group, service: string): number
}

/** Limits of an ALB that cannot be changed (AWS, "HTTP request and header limits"). */
const requestLineBytesMax = 16 * 1024
const headerLineBytesMax = 16 * 1024
const headersBytesMax = 64 * 1024

const defaults = {
  idleTimeoutMs: 60_000,
  connectTimeoutMs: 10_000,
  healthIntervalMs: 1_000,
  healthTimeoutMs: 2_000,
  waitMs: 5_000,
  drainMs: 500,
}

/** Starts the edge: steering, paths, health checks and proxying as the listener rules say. */
export async function startAlb(options: AlbOptions): Promise<Alb> {
  const balancer = new Balancer(options)
  const url = await listen(balancer.server, options)
  return {
    url,
    healthyCount: (group, service) => balancer.targets(group, service)?.healthyCount ?? 0,
    [Symbol.asyncDispose]: () => balancer[Symbol.asyncDispose](),
  }
}

class Balancer {
  readonly server: Server
  readonly #options: AlbOptions & typeof defaults
  readonly #log: Log
  readonly #groups: Readonly<Record<Group, ReadonlyMap<string, TargetGroup>>>
  readonly #readOpenApi: () => Promise<unknown>
  readonly #upgraded = new Set<Socket>()
  readonly #webServer: TargetGroup | undefined
  #referencePage: Promise<FastifyInstance> | undefined

  constructor(options: AlbOptions) {
    this.#options = { ...defaults, ...options }
    this.#log = options.log ?? (() => undefined)
    const stable = this.#openGroup(options.stable)
    const beta = new Map([...stable, ...this.#openGroup(options.beta ?? {})])
    this.#groups = { stable, beta }
    if (typeof options.web === 'string') {
      this.#webServer = this.#openTargets([options.web], '/health')
    }
    const addresses = [...stable].map(([name, group]) => [name, group.addresses[0]] as const)
    this.#readOpenApi = openApiReader({ routing: options.routing, addresses: new Map(addresses) })
    this.server = createServer({
      maxHeaderSize: headersBytesMax,
      keepAliveTimeout: this.#options.idleTimeoutMs,
      requestTimeout: 0,
    })
    this.server.on('request', (request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        this.#log({ event: 'alb.bug', error: String(error) })
        replyProblem(response, 'BAD_GATEWAY')
      })
    })
    this.server.on('upgrade', (request, socket, head) => {
      // Node's types say Duplex because of other transports; this server listens on plain TCP.
      if (!(socket instanceof Socket)) return void socket.destroy()
      this.#upgrade(request, socket, head).catch((error: unknown) => {
        this.#log({ event: 'alb.bug', error: String(error) })
        socket.destroy()
      })
    })
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      writeProblem(socket, isLate ? 'REQUEST_TIMEOUT' : 'BAD_REQUEST')
    })
  }

  targets(group: Group, service: string): TargetGroup | undefined {
    return this.#groups[group].get(service)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeServer(this.server, this.#options.drainMs)
    for (const socket of this.#upgraded) socket.destroy()
    const groups = new Set([...this.#groups.stable.values(), ...this.#groups.beta.values()])
    for (const group of groups) await group[Symbol.asyncDispose]()
    await this.#webServer?.[Symbol.asyncDispose]()
    await (await this.#referencePage)?.close()
  }

  #openGroup(addresses: ServiceAddresses): Map<string, TargetGroup> {
    const { routing } = this.#options
    return new Map(
      Object.entries(addresses).map(([service, urls]) => {
        const healthPath = routing.services[service]?.healthPath
        if (healthPath === undefined) throw new Error(`The routing knows no service ${service}`)
        return [service, this.#openTargets(urls, healthPath)]
      }),
    )
  }

  #openTargets(addresses: readonly string[], healthPath: string): TargetGroup {
    const { healthIntervalMs, healthTimeoutMs, connectTimeoutMs, waitMs } = this.#options
    const timing = { healthIntervalMs, healthTimeoutMs, connectTimeoutMs, waitMs }
    return new TargetGroup({ addresses, healthPath, ...timing })
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now()
    const route = this.#route(request)
    response.once('close', () => this.#logExchange(request, route, { response, startedAt }))
    if ((request.url ?? '').length > requestLineBytesMax) {
      replyProblem(response, 'URI_TOO_LONG')
    } else if (request.rawHeaders.some(line => line.length > headerLineBytesMax)) {
      replyProblem(response, 'BAD_REQUEST')
    } else if (!(await this.#handleOwnPath(request, response))) {
      await this.#forward(request, response, route)
    }
  }

  #route(request: IncomingMessage): Route {
    // A proxy-style request line names the host too; the rules and the target see the path.
    if (!(request.url ?? '').startsWith('/') && URL.canParse(request.url ?? '')) {
      const { pathname, search } = new URL(request.url ?? '')
      request.url = pathname + search
    }
    const { routing } = this.#options
    return explain(routing, { path: request.url ?? '', headers: request.headersDistinct })
  }

  /** What the balancer answers by itself, as listener rules with fixed responses would. */
  async #handleOwnPath(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!isRead) return false
    if (path === '/health') {
      replyJson(response, { status: 'ok', simulator: 'alb' })
    } else if (path === '/api/openapi.json') {
      replyJson(response, await this.#readOpenApi())
    } else if (path === '/api/docs' || path.startsWith('/api/docs/')) {
      this.#referencePage ??= buildReferencePage()
      ;(await this.#referencePage).routing(request, response)
    } else if (this.#webServer !== undefined && !path.startsWith('/api/')) {
      await this.#pass(request, response, { targets: this.#webServer, group: 'web' })
    } else if (typeof this.#options.web === 'function' && !path.startsWith('/api/')) {
      await this.#options.web(request, response)
    } else if (path === '/' && this.#options.web === undefined) {
      response.writeHead(302, { location: '/api/docs/', 'cache-control': 'no-store' }).end()
    } else {
      return false
    }
    return true
  }

  async #forward(request: IncomingMessage, response: ServerResponse, route: Route): Promise<void> {
    if (route.service === undefined) {
      replyProblem(response, 'NOT_FOUND', { 'x-served-by': route.group })
      return
    }
    const targets = this.targets(route.group, route.service)
    if (targets === undefined) {
      replyProblem(response, 'SERVICE_UNAVAILABLE', { 'x-served-by': route.group })
      return
    }
    await this.#pass(request, response, { targets, group: route.group })
  }

  async #pass(
    request: IncomingMessage,
    response: ServerResponse,
    to: { targets: TargetGroup; group: string },
  ): Promise<void> {
    const { idleTimeoutMs } = this.#options
    await forward({ request, response, ...to, port: portOf(this.server), idleTimeoutMs })
  }

  async #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const startedAt = performance.now()
    const route = this.#route(request)
    this.#upgraded.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#upgraded.delete(socket)
      this.#logExchange(request, route, { startedAt })
    })
    const targets = route.service && this.targets(route.group, route.service)
    if (!targets) {
      writeProblem(socket, route.service === undefined ? 'NOT_FOUND' : 'SERVICE_UNAVAILABLE')
      return
    }
    const { idleTimeoutMs } = this.#options
    const port = portOf(this.server)
    const { group } = route
    await forwardUpgrade({ request, socket, head, targets, group, port, idleTimeoutMs })
  }

  #logExchange(
    request: IncomingMessage,
    route: Route,
    exchange: { response?: ServerResponse; startedAt: number },
  ): void {
    this.#log({
      event: exchange.response === undefined ? 'alb.upgrade_closed' : 'alb.request',
      method: request.method,
      path: (request.url ?? '').split('?', 1)[0],
      status: exchange.response?.statusCode,
      ...route,
      durationMs: Math.round(performance.now() - exchange.startedAt),
    })
  }
}

function replyJson(response: ServerResponse, body: unknown): void {
  const text = JSON.stringify(body)
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-cache',
  })
  response.end(response.req.method === 'HEAD' ? undefined : text)
}
