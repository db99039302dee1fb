import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { lockUsage, type StorageUsage } from './usage.ts'

export interface UploadQuota {
  /** What a user may keep, with the bytes that open tickets promise. */
  readonly bytesPerUser: number
  /** Tickets that a user may hold without having completed them. */
  readonly openTicketsMax: number
}

/**
 * Holds up the user's other requests, and throws QUOTA_EXCEEDED when another so many bytes are too
 * many, or RATE_LIMITED when another ticket is.
 */
export async function refuseBeyondQuota(
  tx: Transaction,
  quota: UploadQuota,
  wanted: { userId: UserId; sizeBytes: number },
): Promise<void> {
  const usage = await lockUsage(tx, wanted.userId)
  if (usage.openTickets >= quota.openTicketsMax) {
    throw tooManyTickets(quota.openTicketsMax)
  }
  if (usedBytes(usage) + wanted.sizeBytes > quota.bytesPerUser) throw beyondQuota(usage, quota)
}

/** RATE_LIMITED: what the platform keeps is nobody's quota, but a ticket is to be used. */
export async function refuseTooManyPlatformTickets(
  tx: Transaction,
  { openTicketsMax }: UploadQuota,
  userId: UserId,
): Promise<void> {
  const { rows } = await tx.query<{ open: number }>(sql`
    SELECT count(*)::integer AS open FROM uploads
    WHERE user_id = ${userId} AND state = 'pending' AND purpose <> 'user'
  `)
  if ((rows[0]?.open ?? 0) >= openTicketsMax) throw tooManyTickets(openTicketsMax)
}

/**
 * For a picture that became larger than its ticket had promised when it was encoded anew: what
 * was promised is always kept, but more only within the quota. Throws QUOTA_EXCEEDED.
 */
export async function refuseGrownBeyondQuota(
  tx: Transaction,
  quota: UploadQuota,
  userId: UserId,
): Promise<void> {
  const usage = await lockUsage(tx, userId)
  if (usedBytes(usage) > quota.bytesPerUser) throw beyondQuota(usage, quota)
}

function tooManyTickets(openTicketsMax: number): AppError {
  const suggestion = 'Complete or cancel the uploads that you have begun, or let them expire.'
  const details = { openTicketsMax, suggestion }
  return new AppError('RATE_LIMITED', { details, retryAfterSeconds: 60 })
}

function usedBytes({ keptBytes, promisedBytes }: StorageUsage): number {
  return keptBytes + promisedBytes
}

function beyondQuota(usage: StorageUsage, quota: UploadQuota): AppError {
  const details = {
    quotaBytes: quota.bytesPerUser,
    usedBytes: usedBytes(usage),
    suggestion: 'Delete assets that you no longer need, or cancel uploads that you have begun.',
  }
  return new AppError('QUOTA_EXCEEDED', { details })
}
