import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import { Counter } from 'prom-client'

export type SignInOutcome = 'succeeded' | 'refused' | 'suspended'

/** Who did it, in which request; emails are not logged (requirement S14). */
export interface Actor {
  readonly requestId: string
  readonly userId?: string | undefined
}

/** What happens in this service that operators want to know of: a counter and a line each. */
export interface Events {
  signedUp(actor: Actor): void
  signInAttempted(outcome: SignInOutcome, actor: Actor): void
  signedOut(actor: Actor): void
  settingsChanged(actor: Actor): void
  featureSwitched(actor: Actor, to: { feature: string; percent: number }): void
  sessionsExpired(count: number): void
  expiryFailed(error: unknown): void
  connectionFailed(part: 'postgres' | 'redis', error: unknown): void
}

export function createEvents(metrics: Metrics, logger: Logger): Events {
  const count = countIn(metrics)
  const signUps = count('auth_sign_ups_total', 'Users who signed up.')
  const signIns = count('auth_sign_ins_total', 'Attempts to sign in.', 'outcome')
  const signOuts = count('auth_sign_outs_total', 'Sessions ended by their user.')
  const expired = count('auth_sessions_expired_total', 'Ended sessions that were cleared away.')
  const changes = count(
    'admin_changes_total',
    'What operators changed; admin_events has who and what.',
    'action',
  )
  const failures = count(
    'connection_failures_total',
    'Connections that broke outside a request.',
    'part',
  )
  return {
    signedUp: actor => {
      signUps.inc()
      logger.info(actor, 'user signed up')
    },
    signInAttempted: (outcome, actor) => {
      signIns.inc({ outcome })
      logger.info({ ...actor, outcome }, 'sign-in attempted')
    },
    signedOut: actor => {
      signOuts.inc()
      logger.info(actor, 'user signed out')
    },
    settingsChanged: actor => {
      changes.inc({ action: 'settings.updated' })
      logger.info(actor, 'rate limits changed by an operator')
    },
    featureSwitched: (actor, to) => {
      changes.inc({ action: 'settings.updated' })
      logger.info({ ...actor, ...to }, 'feature switched by an operator')
    },
    sessionsExpired: sessions => {
      expired.inc(sessions)
      if (sessions > 0) logger.info({ sessions }, 'ended sessions cleared away')
    },
    expiryFailed: error => logger.warn({ err: error }, 'ended sessions not cleared away'),
    connectionFailed: (part, error) => {
      failures.inc({ part })
      logger.warn({ err: error, part }, 'connection failed')
    },
  }
}

function countIn(metrics: Metrics) {
  return (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers: [metrics.registry] })
}
