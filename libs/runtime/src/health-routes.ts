import { timingSafeEqual } from 'node:crypto'
import { AppError } from '@funmagic/contract/problem'
import type { FastifyReply } from 'fastify'
import type { Server } from './server.ts'
import type { Metrics } from './metrics.ts'
import type { HttpSettings } from './settings.ts'

/** Checks by name, such as db, redis and storage; one rejects when its part is not there. */
export type HealthChecks = Readonly<Record<string, () => Promise<unknown>>>

interface HealthDeps {
  readonly service: string
  readonly http: HttpSettings
  readonly health: HealthChecks
  readonly metrics: Metrics
  readonly draining: { readonly isDraining: boolean }
}

const checkTimeoutMs = 2_000

/**
 * `/health` says that the process serves, and touches nothing else; while it drains it fails, so
 * that the load balancer looks elsewhere. `/health/{check}` and `/health/all` ask the parts.
 */
export function addHealthRoutes(app: Server, deps: HealthDeps): void {
  const hidden = { schema: { hide: true } }

  app.get('/health', hidden, async (_request, reply) =>
    deps.draining.isDraining
      ? reply.code(503).send({ status: 'draining', service: deps.service })
      : { status: 'ok', service: deps.service },
  )

  for (const [name, check] of Object.entries(deps.health)) {
    app.get(`/health/${name}`, hidden, async (_request, reply) =>
      answer(reply, deps.service, { [name]: await probe(check) }),
    )
  }

  app.get('/health/all', hidden, async (_request, reply) => {
    // As many as the service has checks: a handful.
    const checks = await Promise.all(
      Object.entries(deps.health).map(async ([name, check]) => [name, await probe(check)] as const),
    )
    return answer(reply, deps.service, Object.fromEntries(checks))
  })

  app.get('/metrics', hidden, async (request, reply) => {
    requireMetricsToken(request.headers.authorization, deps.http.metricsAuthToken)
    reply.type(deps.metrics.registry.contentType)
    return deps.metrics.registry.metrics()
  })
}

type CheckResult = { status: 'ok' | 'unavailable'; ms: number }

async function probe(check: () => Promise<unknown>): Promise<CheckResult> {
  const startedAt = performance.now()
  const status = await Promise.race([
    check().then(
      () => 'ok' as const,
      () => 'unavailable' as const,
    ),
    new Promise<'unavailable'>(resolve => {
      setTimeout(() => resolve('unavailable'), checkTimeoutMs).unref()
    }),
  ])
  return { status, ms: Math.round(performance.now() - startedAt) }
}

function answer(reply: FastifyReply, service: string, checks: Record<string, CheckResult>) {
  const isWell = Object.values(checks).every(check => check.status === 'ok')
  return reply
    .code(isWell ? 200 : 503)
    .send({ status: isWell ? 'ok' : 'unavailable', service, checks })
}

function requireMetricsToken(header: string | undefined, token: string | undefined): void {
  if (token === undefined) return
  const given = Buffer.from(header ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new AppError('UNAUTHORIZED')
  }
}
