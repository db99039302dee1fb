import type { AssetView } from '@funmagic/contract/asset'
import type { PageOf } from '@funmagic/contract/page'
import { get } from '../api/client.ts'

const pageLimit = 24

interface Wanted {
  readonly q?: string
  readonly kind?: string
  readonly visibility?: string
  readonly cursor: string | undefined
}

/** One page of the member's own assets, newest first. */
export function listOwn(wanted: Wanted, signal: AbortSignal): Promise<PageOf<AssetView>> {
  return get('/api/assets', { query: { ...wanted, limit: pageLimit }, signal })
}
