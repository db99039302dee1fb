/** What the quotient ours / bare must keep; without one it is only told. */
export type Bound = { readonly atLeast: number } | { readonly atMost: number } | 'none'

/** One way of doing the work; `run` does it once and says how fast it was. */
export interface Way {
  readonly name: string
  run(): Promise<number>
}

/**
 * Ours against something bare that does the same work in the same minute on the same machine: only
 * the quotient of the two is a claim, since machines differ and are shared.
 */
export interface Comparison {
  readonly title: string
  readonly unit: string
  readonly ours: Way
  readonly bare: Way
  readonly bound: Bound
}

export interface Result {
  readonly title: string
  readonly unit: string
  readonly ours: { readonly name: string; readonly values: readonly number[] }
  readonly bare: { readonly name: string; readonly values: readonly number[] }
  readonly ratios: readonly number[]
  readonly bound: Bound
  readonly isKept: boolean
  /** The bare way alone differed by more than a fifth from run to run: measure again in peace. */
  readonly isNoisy: boolean
}

const noisySpread = 0.2

/** Runs both ways in turn, so that what disturbs one disturbs both; the first turn warms up. */
export async function compare(
  { title, unit, ours, bare, bound }: Comparison,
  rounds: number,
): Promise<Result> {
  const values = { ours: Array<number>(), bare: Array<number>() }
  for (let round = 0; round <= rounds; round++) {
    const bareValue = await bare.run()
    const oursValue = await ours.run()
    if (round === 0) continue
    values.bare.push(bareValue)
    values.ours.push(oursValue)
  }
  const ratios = values.ours.map((value, index) => value / (values.bare[index] ?? Number.NaN))
  return {
    title,
    unit,
    ours: { name: ours.name, values: values.ours },
    bare: { name: bare.name, values: values.bare },
    ratios,
    bound,
    isKept: keeps(median(ratios), bound),
    isNoisy: spreadOf(values.bare) > noisySpread,
  }
}

function keeps(ratio: number, bound: Bound): boolean {
  if (bound === 'none') return true
  return 'atLeast' in bound ? ratio >= bound.atLeast : ratio <= bound.atMost
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** How far the values lie from each other, as a part of their median. */
function spreadOf(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

/** Milliseconds that the work took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
