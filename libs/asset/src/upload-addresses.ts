import type { Upload } from './upload-rows.ts'

export const uploadUrlLifeSeconds = 900

/** When an address that is signed now ends: none outlives its ticket. */
export function addressEnd(upload: Upload, signedAt: Date): Date {
  const end = signedAt.getTime() + uploadUrlLifeSeconds * 1000
  return new Date(Math.min(end, upload.expiresAt.getTime()))
}

export function secondsBetween(from: Date, to: Date): number {
  return Math.max(1, Math.round((to.getTime() - from.getTime()) / 1000))
}
