import { Id } from '@funmagic/contract/ids'
import Type from 'typebox'

/** The path parameters of every route about one asset. */
export const AssetParams = Type.Object({ assetId: Id })
