import type { UploadQuota } from '@funmagic/asset/upload-quota'
import type { UserId } from '@funmagic/contract/ids'
import type { RateLimits, Tier } from '@funmagic/session/rate-limits'

/** What one user may keep and begin, by the tier of what the user has bought (S9, U5). */
export interface TierQuota extends UploadQuota {
  readonly tier: Tier
}

export type QuotaOf = (userId: UserId) => Promise<TierQuota>

/** `base` is what the lowest tier has. */
export function createQuotas(base: UploadQuota, limits: RateLimits): QuotaOf {
  return async userId => {
    const tier = await limits.tierOf(userId)
    const times = (amount: number) => Math.max(1, Math.floor(amount * tier.multiplier))
    return {
      tier,
      bytesPerUser: times(base.bytesPerUser),
      openTicketsMax: times(base.openTicketsMax),
    }
  }
}
