import { setting } from '@funmagic/runtime/config'
import {
  CdnSettings,
  DatabaseSettings,
  HttpSettings,
  LimitSettings,
  LogSettings,
  ObjectStoreSettings,
  RedisCacheSettings,
  SessionCookieSettings,
  galleryCookieDomain,
} from '@funmagic/runtime/settings'
import Type, { type Static } from 'typebox'

const UploadSettings = Type.Object({
  bytesPerUser: setting(
    Type.Integer({
      minimum: 1,
      default: 2_147_483_648,
      description: 'What a user may keep, in bytes, with what open tickets promise',
    }),
    { env: 'UPLOAD_QUOTA_BYTES' },
  ),
  openTicketsMax: setting(
    Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 50,
      description: 'Open tickets of a user',
    }),
    { env: 'UPLOAD_TICKETS_MAX' },
  ),
  checksMax: setting(
    Type.Integer({
      minimum: 1,
      maximum: 64,
      default: 1,
      description: 'Pictures decoded at once: a core and up to 160 MB each',
    }),
    { env: 'UPLOAD_CHECKS_MAX' },
  ),
  checksWaitingMax: setting(
    Type.Integer({
      minimum: 0,
      maximum: 1_000,
      default: 16,
      description: 'Pictures that wait to be decoded; more are told to come again',
    }),
    { env: 'UPLOAD_CHECKS_WAITING_MAX' },
  ),
})

const InvalidationSettings = Type.Object({
  distributionId: Type.Optional(
    setting(
      Type.String({ description: 'The public distribution; without it nothing is invalidated' }),
      { env: 'CDN_DISTRIBUTION_ID' },
    ),
  ),
  endpoint: Type.Optional(
    setting(
      Type.String({ pattern: '^https?://', description: 'CloudFront API address; AWS without it' }),
      { env: 'CLOUDFRONT_ENDPOINT' },
    ),
  ),
})

const GallerySettings = Type.Object({
  cookieDomain: galleryCookieDomain,
  downloadsMax: setting(
    Type.Integer({
      minimum: 1,
      maximum: 64,
      default: 4,
      description: 'ZIP downloads that are sent at once; more are told to come again',
    }),
    { env: 'GALLERY_DOWNLOADS_MAX' },
  ),
})

const SweepSettings = Type.Object({
  intervalMs: setting(
    Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 5_000,
      description: 'How often unfinished moves and expired tickets are looked for',
    }),
    { env: 'SWEEP_INTERVAL_MS' },
  ),
})

const ReconciliationSettings = Type.Object({
  intervalMs: setting(
    Type.Integer({
      minimum: 1_000,
      maximum: 3_600_000,
      default: 60_000,
      description: 'How often a page of 1000 keys of each bucket is held against the rows',
    }),
    { env: 'RECONCILE_INTERVAL_MS' },
  ),
  graceSeconds: setting(
    Type.Integer({
      // Longer than any ticket, whose completion may find what an earlier try has stored.
      minimum: 129_600,
      maximum: 31_536_000,
      default: 172_800,
      description: 'Age at which bytes that belong to nothing are removed',
    }),
    { env: 'RECONCILE_GRACE_SECONDS' },
  ),
})

export const AssetConfig = Type.Object({
  http: HttpSettings,
  log: LogSettings,
  database: DatabaseSettings,
  redis: RedisCacheSettings,
  cookie: SessionCookieSettings,
  limits: LimitSettings,
  store: ObjectStoreSettings,
  cdn: CdnSettings,
  invalidation: InvalidationSettings,
  uploads: UploadSettings,
  gallery: GallerySettings,
  sweep: SweepSettings,
  reconciliation: ReconciliationSettings,
})
export type AssetConfig = Static<typeof AssetConfig>
