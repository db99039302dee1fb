import type { ProviderType } from '@funmagic/contract/tool'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import type { ClaimedTask } from '@funmagic/task/lifecycle'
import { Counter, Gauge } from 'prom-client'
import type { HealthEvents } from './check-health.ts'

/** Why a call was not made: a limit of ours, the provider's wish, or the provider's state. */
export type DenialReason = 'slots' | 'minute' | 'day' | 'cooldown' | 'open' | 'budget' | 'no-redis'

/** What happens at the door of the providers. */
export interface GateEvents extends HealthEvents {
  callDenied(task: ClaimedTask, denial: CallDenial): void
  breakerChanged(provider: ProviderType, state: 'opened' | 'closed'): void
  /** The limits of a running call cannot be kept up to date; it goes on. */
  gateFailed(task: ClaimedTask, error: unknown): void
}

export interface CallDenial {
  readonly provider: ProviderType
  readonly reason: DenialReason
  readonly retryAfterMs: number
}

export function createGateEvents({ registry }: Metrics, logger: Logger): GateEvents {
  const registers = [registry]
  const denials = new Counter({
    name: 'provider_calls_denied_total',
    help: 'Calls that were put off because of a limit or the state of the provider.',
    labelNames: ['provider', 'reason'],
    registers,
  })
  const openBreakers = new Gauge({
    name: 'provider_breaker_open',
    help: '1 from when this worker saw a provider’s circuit breaker open until it saw it close.',
    labelNames: ['provider'],
    registers,
  })
  const failures = new Counter({
    name: 'provider_gate_failures_total',
    help: 'Failures to keep the limits of a running call up to date.',
    registers,
  })
  const unhealthy = new Gauge({
    name: 'provider_unhealthy',
    help: '1 while a provider refuses our key: an operator has to act.',
    labelNames: ['provider'],
    registers,
  })
  return {
    healthSeen: (provider, isHealthy) => unhealthy.set({ provider }, isHealthy ? 0 : 1),
    healthChanged: (provider, isHealthy) => {
      unhealthy.set({ provider }, isHealthy ? 0 : 1)
      if (isHealthy) logger.info({ provider }, 'provider accepts our key again')
      else logger.error({ provider }, 'provider refuses our key')
    },
    healthCheckFailed: error => logger.warn({ err: error }, 'providers not checked'),
    callDenied: ({ id: taskId, requestId }, { provider, reason, retryAfterMs }) => {
      denials.inc({ provider, reason })
      if (reason === 'open') openBreakers.set({ provider }, 1)
      logger.info({ taskId, requestId, provider, reason, retryAfterMs }, 'provider call put off')
    },
    breakerChanged: (provider, state) => {
      openBreakers.set({ provider }, state === 'opened' ? 1 : 0)
      logger[state === 'opened' ? 'error' : 'info']({ provider }, `circuit breaker ${state}`)
    },
    gateFailed: ({ id: taskId, requestId }, error) => {
      failures.inc()
      logger.warn({ taskId, requestId, err: error }, 'limits of a call not kept up to date')
    },
  }
}
