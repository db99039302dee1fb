import type { AssetView } from '@funmagic/contract/asset'
import { reactive } from 'vue'

/** What somebody has begun to order, kept while they sign in or buy credits on the way. */
export interface OrderDraft {
  prompt: string
  styleReferenceId: string
  laterStepIds: string[]
  picture: AssetView | undefined
}

const drafts = reactive(new Map<string, OrderDraft>())

export function draftOf(toolSlug: string): OrderDraft {
  const kept = drafts.get(toolSlug)
  if (kept !== undefined) return kept
  drafts.set(toolSlug, { prompt: '', styleReferenceId: '', laterStepIds: [], picture: undefined })
  return draftOf(toolSlug)
}
