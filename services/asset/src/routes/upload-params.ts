import type { UploadSide } from '@funmagic/asset/upload-rows'
import { Id } from '@funmagic/contract/ids'
import { problems } from '@funmagic/contract/problem'
import Type from 'typebox'

/** The path parameters of every route about one upload. */
export const UploadParams = Type.Object({ uploadId: Id })

/** Why no asset is made of what was uploaded, whoever's it would be. */
export const completionRefusals = [
  'INVALID_ID',
  'NOT_FOUND',
  'UPLOAD_INCOMPLETE',
  'TICKET_EXPIRED',
  'CHECKSUM_MISMATCH',
  'TYPE_MISMATCH',
  'IMAGE_INVALID',
  'IMAGE_TOO_LARGE',
  'OVERLOADED',
  'UNAVAILABLE',
] as const

/** The same operations on the uploads of users and on those for the platform. */
export interface UploadRoutes {
  readonly path: string
  readonly side: UploadSide
  readonly refusals: ReturnType<typeof problems>
}

export const userUploads: UploadRoutes = {
  path: '/api/assets/uploads',
  side: 'user',
  refusals: problems('UNAUTHORIZED', 'ACCOUNT_SUSPENDED'),
}

export const platformUploads: UploadRoutes = {
  path: '/api/admin/assets/uploads',
  side: 'platform',
  refusals: problems('UNAUTHORIZED', 'FORBIDDEN'),
}
