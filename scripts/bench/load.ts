import { median } from './comparison.ts'

/** Runs the work so often on so many lanes; how many a second. */
export async function rateOf(
  { lanes, count }: { lanes: number; count: number },
  work: (lane: number) => Promise<unknown>,
): Promise<number> {
  let left = count
  const startedAt = performance.now()
  const run = async (lane: number) => {
    while (left > 0) {
      left -= 1
      await work(lane)
    }
  }
  // One for each lane.
  await Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)))
  return (count * 1000) / (performance.now() - startedAt)
}

/** The median of what the work took, one after the other, in milliseconds. */
export async function medianMsOf(
  count: number,
  work: (turn: number) => Promise<unknown>,
): Promise<number> {
  const times: number[] = []
  for (let turn = 0; turn < count; turn++) {
    const startedAt = performance.now()
    await work(turn)
    times.push(performance.now() - startedAt)
  }
  return median(times)
}
