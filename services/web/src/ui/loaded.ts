import { onScopeDispose, shallowReactive } from 'vue'

/** Something that a page asks the platform for: the newest answer, or why there is none. */
export interface Loaded<Value> {
  value: Value | undefined
  error: unknown
  isLoading: boolean
  load(): Promise<void>
}

/** Asks at once. Of questions that overtake each other only the last one counts. */
export function useLoaded<Value>(ask: (signal: AbortSignal) => Promise<Value>): Loaded<Value> {
  let asking = new AbortController()
  const loaded = shallowReactive<Loaded<Value>>({
    value: undefined,
    error: undefined,
    isLoading: true,
    async load() {
      asking.abort()
      const mine = new AbortController()
      asking = mine
      Object.assign(loaded, { isLoading: true, error: undefined })
      try {
        const value = await ask(mine.signal)
        if (!mine.signal.aborted) loaded.value = value
      } catch (error) {
        if (!mine.signal.aborted) loaded.error = error
      } finally {
        if (!mine.signal.aborted) loaded.isLoading = false
      }
    },
  })
  onScopeDispose(() => asking.abort())
  void loaded.load()
  return loaded
}
