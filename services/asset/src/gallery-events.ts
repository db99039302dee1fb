import type { Reconciled } from '@funmagic/asset/reconciliation'
import type { UserId } from '@funmagic/contract/ids'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import { Counter, Gauge } from 'prom-client'

/** What operators want to know of what was taken home, and of bytes and rows that disagree. */
export interface GalleryEvents {
  archiveSent(archive: {
    userId: UserId
    requestId: string
    files: number
    outcome: 'sent' | 'broken'
  }): void
  shareLinkUsed(use: ShareLinkUse, link: { linkId: string; requestId: string }): void
  reconciled(page: Reconciled): void
}

type ShareLinkUse = 'created' | 'opened' | 'downloaded' | 'revoked'

const keysLoggedMax = 20

export function createGalleryEvents({ registry }: Metrics, logger: Logger): GalleryEvents {
  const registers = [registry]
  const archives = new Counter({
    name: 'asset_archives_total',
    help: 'ZIP downloads that were sent to the end, or broke off.',
    labelNames: ['outcome'] as const,
    registers,
  })
  const shareLinks = new Counter({
    name: 'asset_share_links_total',
    help: 'Share links that were created, opened, downloaded from or revoked.',
    labelNames: ['use'] as const,
    registers,
  })
  const orphans = new Counter({
    name: 'asset_orphans_removed_total',
    help: 'Objects without a row that were removed.',
    labelNames: ['bucket'] as const,
    registers,
  })
  const lost = new Gauge({
    name: 'asset_rows_without_object',
    help: 'Assets whose bytes are not there. Anything but 0 is a loss.',
    labelNames: ['bucket'] as const,
    registers,
  })
  return {
    archiveSent: archive => {
      archives.inc({ outcome: archive.outcome })
      logger.info(archive, 'archive ended')
    },
    shareLinkUsed: (use, link) => {
      shareLinks.inc({ use })
      logger.info({ ...link, use }, 'share link used')
    },
    reconciled: ({ bucket, removed, missing, missingInAll }) => {
      orphans.inc({ bucket }, removed.length)
      lost.set({ bucket }, missingInAll)
      if (removed.length > 0) {
        const line = { bucket, removed: removed.length, keys: removed.slice(0, keysLoggedMax) }
        logger.warn(line, 'bytes without a row removed')
      }
      if (missing.length > 0) {
        logger.error({ bucket, assetIds: missing.slice(0, keysLoggedMax) }, 'rows without bytes')
      }
    },
  }
}
