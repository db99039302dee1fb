import type { Asset } from '@funmagic/asset/asset'
import type { ExpirySweep } from '@funmagic/asset/upload-expiry'
import type { UploadId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import { Counter, Gauge, Histogram } from 'prom-client'

/** What happens to uploads on their way to becoming assets. */
export interface UploadEvents {
  uploadBegun(upload: { uploadId: UploadId; userId: UserId; requestId: string }): void
  uploadCanceled(upload: { uploadId: UploadId; userId: UserId; requestId: string }): void
  /** A ticket that was not given, or bytes that did not become an asset, and why. */
  uploadRejected(what: 'ticket' | 'bytes', reason: string): void
  uploadCompleted(asset: Asset, requestId: string): void
  uploadsSwept(swept: ExpirySweep): void
}

const sizeBucketsBytes = [10_000, 100_000, 1_000_000, 5_000_000, 10_000_000, 25_000_000]

export function createUploadEvents(metrics: Metrics, logger: Logger): UploadEvents {
  const counters = createCounters(metrics)
  return {
    uploadBegun: upload => {
      counters.uploads.inc({ step: 'begun' })
      logger.info(upload, 'upload begun')
    },
    uploadCanceled: upload => {
      counters.uploads.inc({ step: 'canceled' })
      logger.info(upload, 'upload canceled')
    },
    // The request's own line tells the rest.
    uploadRejected: (what, reason) => counters.rejections.inc({ what, reason }),
    uploadCompleted: ({ id: assetId, userId, mimeType, sizeBytes }, requestId) => {
      counters.uploads.inc({ step: 'completed' })
      counters.uploadSize.observe(sizeBytes)
      logger.info({ requestId, assetId, userId, mimeType, sizeBytes }, 'upload completed')
    },
    uploadsSwept: ({ expired, cleared, quarantinedBytes, failures }) => {
      counters.quarantined.set(quarantinedBytes)
      counters.uploads.inc({ step: 'expired' }, expired)
      if (expired + cleared > 0) logger.info({ expired, cleared }, 'uploads swept')
      const [first] = failures
      if (first) logger.warn({ err: first, failed: failures.length }, 'uploads not cleared')
    },
  }
}

/** Counts what a client was told; faults of our own are counted elsewhere. */
export function reportRejection(
  events: UploadEvents,
  what: 'ticket' | 'bytes',
  error: unknown,
): void {
  if (error instanceof AppError) events.uploadRejected(what, error.code)
}

function createCounters({ registry }: Metrics) {
  const registers = [registry]
  return {
    uploads: new Counter({
      name: 'asset_uploads_total',
      help: 'Uploads that were begun, were completed, were canceled or expired.',
      labelNames: ['step'] as const,
      registers,
    }),
    rejections: new Counter({
      name: 'asset_uploads_rejected_total',
      help: 'Tickets that were not given and bytes that did not become an asset, by problem code.',
      labelNames: ['what', 'reason'] as const,
      registers,
    }),
    quarantined: new Gauge({
      name: 'asset_quarantine_bytes',
      help: 'Bytes that tickets have promised and that have not been removed from quarantine.',
      registers,
    }),
    uploadSize: new Histogram({
      name: 'asset_upload_size_bytes',
      help: 'Sizes of uploaded pictures as they are stored.',
      buckets: sizeBucketsBytes,
      registers,
    }),
  }
}
