import type { PageOf } from '@funmagic/contract/page'
import { onScopeDispose, shallowReactive } from 'vue'

/** A list that the platform hands out page by page. */
export interface List<Item> {
  items: readonly Item[]
  nextCursor: string | null
  error: unknown
  isLoading: boolean
  /** Begins anew: at first, and when what is asked for has changed. */
  load(): Promise<void>
  loadMore(): Promise<void>
  /** Shows a new version of an item, or takes it away. */
  put(item: Item, replacement?: Item): void
}

type AskPage<Item> = (cursor: string | undefined, signal: AbortSignal) => Promise<PageOf<Item>>

/** Asks for the first page at once. Of questions that overtake each other the last one counts. */
export function useList<Item>(ask: AskPage<Item>): List<Item> {
  let asking = new AbortController()

  async function append(before: readonly Item[], cursor: string | undefined): Promise<void> {
    asking.abort()
    const mine = new AbortController()
    asking = mine
    Object.assign(list, { isLoading: true, error: undefined })
    try {
      const page = await ask(cursor, mine.signal)
      if (mine.signal.aborted) return
      list.items = [...before, ...page.items]
      list.nextCursor = page.nextCursor
    } catch (error) {
      if (!mine.signal.aborted) list.error = error
    } finally {
      if (!mine.signal.aborted) list.isLoading = false
    }
  }

  const list = shallowReactive<List<Item>>({
    items: [],
    nextCursor: null,
    error: undefined,
    isLoading: true,
    load: () => append([], undefined),
    loadMore: async () => {
      if (list.nextCursor !== null) await append(list.items, list.nextCursor)
    },
    put: (item, replacement) => {
      list.items = list.items.flatMap(one =>
        one !== item ? [one] : replacement === undefined ? [] : [replacement],
      )
    },
  })
  onScopeDispose(() => asking.abort())
  void list.load()
  return list
}
