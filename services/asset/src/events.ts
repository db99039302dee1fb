import type { Asset } from '@funmagic/asset/asset'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import { Counter } from 'prom-client'

/** What happens to assets that operators want to know of: a counter and a line each. */
export interface Events {
  ticketIssued(): void
  uploadCompleted(asset: Asset): void
  published(asset: Asset): void
  unpublished(asset: Asset): void
  deleted(): void
  swept(what: SweptWork, count: number): void
  sweepFailed(what: SweptWork, error: unknown): void
  connectionFailed(part: 'postgres' | 'redis', error: unknown): void
}

export type SweptWork = 'moves' | 'uploads'

const quietMs = 10_000

export function createEvents(metrics: Metrics, logger: Logger): Events {
  const count = counters(metrics)
  const loggedAtMs = new Map<string, number>()
  return {
    ticketIssued: () => count.changes.inc({ change: 'ticket' }),
    uploadCompleted: asset => {
      count.changes.inc({ change: 'completed' })
      count.bytes.inc(asset.sizeBytes)
      const { id: assetId, userId, mimeType, sizeBytes } = asset
      logger.info({ assetId, userId, mimeType, sizeBytes }, 'upload completed')
    },
    published: ({ id: assetId, userId }) => {
      count.changes.inc({ change: 'published' })
      logger.info({ assetId, userId }, 'asset published')
    },
    unpublished: ({ id: assetId, userId }) => {
      count.changes.inc({ change: 'unpublished' })
      logger.info({ assetId, userId }, 'asset unpublished')
    },
    deleted: () => count.changes.inc({ change: 'deleted' }),
    swept: (what, swept) => {
      count.swept.inc({ what }, swept)
      logger.info({ what, count: swept }, 'swept')
    },
    sweepFailed: (what, error) => {
      count.sweepFailures.inc({ what })
      logger.warn({ err: error, what }, 'a sweep failed and is repeated')
    },
    connectionFailed: (part, error) => {
      count.connectionFailures.inc({ part })
      // A client that reconnects fails several times a second: one line in a while says it.
      if (performance.now() - (loggedAtMs.get(part) ?? -Infinity) < quietMs) return
      loggedAtMs.set(part, performance.now())
      logger.warn({ err: error, part }, 'connection failed')
    },
  }
}

function counters({ registry }: Metrics) {
  const registers = [registry]
  const labelled = <Label extends string>(name: string, help: string, label: Label) =>
    new Counter({ name, help, labelNames: [label], registers })
  return {
    changes: labelled('asset_changes_total', 'Assets that changed, by what changed.', 'change'),
    bytes: new Counter({ name: 'asset_upload_bytes_total', help: 'Bytes uploaded.', registers }),
    swept: labelled('asset_swept_total', 'Unfinished work that a sweep ended.', 'what'),
    sweepFailures: labelled('asset_sweep_failures_total', 'Sweeps that failed.', 'what'),
    connectionFailures: labelled(
      'connection_failures_total',
      'Connections that broke outside a request.',
      'part',
    ),
  }
}
