import { continueMoves, type MoveDeps } from '@funmagic/asset/moves'
import { expireUploads } from '@funmagic/asset/uploads'
import type { Events, SweptWork } from '../events.ts'

export interface SweepDeps extends MoveDeps {
  readonly events: Events
}

const movesMax = 50
const uploadsMax = 100
const movesTimeoutMs = 60_000

/**
 * Ends what a request or another process left unfinished: moves of bytes between buckets,
 * removals whose time has come, and upload tickets that expired (P1, decision 5). Any number of
 * sweepers may run at once; what fails is tried again at the next sweep.
 */
export async function sweep(deps: SweepDeps): Promise<void> {
  await attempt(deps.events, 'moves', async () => {
    const signal = AbortSignal.timeout(movesTimeoutMs)
    const { finished, failures } = await continueMoves(deps, { movesMax }, signal)
    for (const failure of failures) deps.events.sweepFailed('moves', failure)
    return finished
  })
  await attempt(deps.events, 'uploads', async () => {
    const { cleared } = await expireUploads(deps, { uploadsMax })
    return cleared
  })
}

async function attempt(
  events: Events,
  what: SweptWork,
  work: () => Promise<number>,
): Promise<void> {
  try {
    const count = await work()
    if (count > 0) events.swept(what, count)
  } catch (error) {
    // Postgres or the store is away: the rows wait for the next sweep.
    events.sweepFailed(what, error)
  }
}
