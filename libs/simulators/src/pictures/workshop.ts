/** Runs work in as many places as there are, the rest in the order in which it came. */
export type Workshop = <T>(work: () => Promise<T>) => Promise<T>

/** Pixel work takes memory and a processor: a few at once, however many calls are open. */
export function openWorkshop(places: number): Workshop {
  const waiting: (() => void)[] = []
  let free = places
  return async work => {
    if (free > 0) free--
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
