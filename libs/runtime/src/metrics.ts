import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'

/** The metrics of one process; a service adds its own counters to the registry in events.ts. */
export interface Metrics {
  readonly registry: Registry
  /** Counts one answered request (O3). */
  observeRequest(request: { method: string; route: string; status: number; seconds: number }): void
}

const requestBucketsSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Default metrics of Node, and the HTTP metrics with the seeds' names (O3, O6). */
export function createMetrics(service: string): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  const labelNames = ['method', 'route', 'status'] as const
  const total = new Counter({
    name: 'http_requests_total',
    help: 'Requests answered.',
    labelNames,
    registers: [registry],
  })
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request’s arrival to the end of its reply.',
    labelNames,
    buckets: requestBucketsSeconds,
    registers: [registry],
  })
  return {
    registry,
    observeRequest: ({ method, route, status, seconds }) => {
      const labels = { method, route, status: String(status) }
      total.inc(labels)
      duration.observe(labels, seconds)
    },
  }
}
