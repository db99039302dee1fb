import type { Asset } from '@funmagic/asset/asset'
import type { MoveBacklog } from '@funmagic/asset/move-backlog'
import type { RevocationsSwept } from '@funmagic/asset/revocations'
import type { AssetId, UserId } from '@funmagic/contract/ids'
import type { Occasion } from '@funmagic/session/admin-events'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { createGalleryEvents, type GalleryEvents } from './gallery-events.ts'
import { createUploadEvents, type UploadEvents } from './upload-events.ts'

/** What happens in this service that operators want to know of: a metric and a line each. */
export interface Events extends UploadEvents, GalleryEvents {
  visibilityChanged(asset: Asset, requestId: string): void
  assetDeleted(deleted: { assetId: AssetId; userId: UserId; requestId: string }): void
  /** What it was is in the audit. */
  adminChanged(occasion: Occasion, assetId: AssetId): void
  movesSwept(swept: { finished: number; failures: readonly Error[] }): void
  derivativesSwept(swept: { made: number; failures: readonly Error[] }): void
  revocationsSwept(swept: RevocationsSwept): void
  backlogRead(backlog: MoveBacklog): void
  sweepFailed(
    work: 'uploads' | 'moves' | 'revocations' | 'derivatives' | 'reconciliation',
    error: unknown,
  ): void
  connectionFailed(part: 'postgres' | 'redis', error: unknown): void
}

const quietMs = 10_000
const revocationBucketsSeconds = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600]

export function createEvents(metrics: Metrics, logger: Logger): Events {
  const counters = createCounters(metrics)
  const loggedAtMs = new Map<string, number>()
  return {
    ...createUploadEvents(metrics, logger),
    visibilityChanged: ({ id: assetId, userId, visibility, bucket }, requestId) => {
      counters.changes.inc({ to: visibility })
      logger.info({ requestId, assetId, userId, visibility, bucket }, 'visibility changed')
    },
    assetDeleted: deleted => {
      counters.changes.inc({ to: 'deleted' })
      logger.info(deleted, 'asset deleted')
    },
    adminChanged: ({ action, actor, requestId }, assetId) => {
      counters.adminChanges.inc({ action })
      logger.info({ requestId, assetId, actorId: actor.id, action }, 'changed by an operator')
    },
    movesSwept: ({ finished, failures }) => {
      counters.moves.inc({ outcome: 'finished' }, finished)
      counters.moves.inc({ outcome: 'failed' }, failures.length)
      if (finished > 0) logger.info({ finished }, 'moves swept')
      const [first] = failures
      if (first) logger.warn({ err: first, failed: failures.length }, 'moves failed')
    },
    derivativesSwept: ({ made, failures }) => {
      counters.derivatives.inc({ outcome: 'made' }, made)
      counters.derivatives.inc({ outcome: 'failed' }, failures.length)
      if (made > 0) logger.info({ made }, 'smaller pictures made')
      const [first] = failures
      if (first) logger.warn({ err: first, failed: failures.length }, 'smaller pictures failed')
    },
    ...createRevocationEvents(metrics, logger),
    ...createGalleryEvents(metrics, logger),
    sweepFailed: (work, error) => {
      counters.failedSweeps.inc({ work })
      logger.error({ err: error, work }, 'sweep failed')
    },
    connectionFailed: (part, error) => {
      counters.failures.inc({ part })
      // A client that reconnects fails several times a second: one line in a while says it.
      if (performance.now() - (loggedAtMs.get(part) ?? -Infinity) < quietMs) return
      loggedAtMs.set(part, performance.now())
      logger.warn({ err: error, part }, 'connection failed')
    },
  }
}

function createRevocationEvents(
  { registry }: Metrics,
  logger: Logger,
): Pick<Events, 'revocationsSwept' | 'backlogRead'> {
  const counters = createRevocationMetrics([registry])
  return {
    revocationsSwept: ({ refused, served, failures }) => {
      for (const { assetId, seconds } of refused) {
        counters.revocation.observe(seconds)
        logger.info({ assetId, seconds }, 'public address refuses')
      }
      counters.probes.inc({ answer: 'refused' }, refused.length)
      counters.probes.inc({ answer: 'served' }, served)
      counters.probes.inc({ answer: 'failed' }, failures.length)
      const [first] = failures
      if (first) logger.warn({ err: first, failed: failures.length }, 'revocations failed')
    },
    backlogRead: backlog => {
      counters.openMoves.set(backlog.moves)
      counters.oldestMove.set(backlog.oldestMoveSeconds)
      counters.openRevocations.set(backlog.revocations)
      counters.oldestRevocation.set(backlog.oldestRevocationSeconds)
    },
  }
}

function createCounters({ registry }: Metrics) {
  const registers = [registry]
  return {
    changes: new Counter({
      name: 'asset_changes_total',
      help: 'Assets that became public or private, or were deleted.',
      labelNames: ['to'] as const,
      registers,
    }),
    adminChanges: new Counter({
      name: 'admin_changes_total',
      help: 'What operators changed; admin_events has who and what.',
      labelNames: ['action'] as const,
      registers,
    }),
    moves: new Counter({
      name: 'asset_moves_swept_total',
      help: 'Moves and removals of bytes that the sweeper took on.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    derivatives: new Counter({
      name: 'asset_derivatives_swept_total',
      help: 'Assets whose smaller pictures the sweeper took on.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    failedSweeps: new Counter({
      name: 'asset_sweeps_failed_total',
      help: 'Sweeps that ended early.',
      labelNames: ['work'] as const,
      registers,
    }),
    failures: new Counter({
      name: 'connection_failures_total',
      help: 'Connections that broke outside a request.',
      labelNames: ['part'] as const,
      registers,
    }),
  }
}

/** How fast what was public stops being so, and what is late (A11). */
function createRevocationMetrics(registers: Registry[]) {
  return {
    revocation: new Histogram({
      name: 'asset_revocation_seconds',
      help: 'From unpublishing or deleting until the public address was seen to refuse.',
      buckets: revocationBucketsSeconds,
      registers,
    }),
    probes: new Counter({
      name: 'asset_revocation_probes_total',
      help: 'Looks at public addresses that are to refuse, and failures to tell the edges.',
      labelNames: ['answer'] as const,
      registers,
    }),
    openRevocations: new Gauge({
      name: 'asset_revocations_open',
      help: 'Assets that are public no longer and that the edges were not seen to refuse.',
      registers,
    }),
    oldestRevocation: new Gauge({
      name: 'asset_revocation_oldest_seconds',
      help: 'Age of the oldest of asset_revocations_open.',
      registers,
    }),
    openMoves: new Gauge({
      name: 'asset_moves_open',
      help: 'Copies that are not there yet, and removals whose time has come.',
      registers,
    }),
    oldestMove: new Gauge({
      name: 'asset_move_oldest_seconds',
      help: 'Age of the oldest of asset_moves_open.',
      registers,
    }),
  }
}
