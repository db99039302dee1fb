import { Id } from '@funmagic/contract/ids'
import Type from 'typebox'

/** The path parameters of every route about one upload. */
export const UploadParams = Type.Object({ uploadId: Id })
