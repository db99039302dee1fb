import { continueMoves, type MoveDeps } from '@funmagic/asset/moves'
import { expireUploads } from '@funmagic/asset/uploads'
import type { Events } from '../events.ts'

export interface SweepDeps extends MoveDeps {
  readonly events: Events
}

const movesMax = 50
const uploadsMax = 100

/**
 * Ends what a request or another process left unfinished: moves of bytes between buckets,
 * removals whose time has come, and upload tickets that expired (P1, decision 5). Any number of
 * sweepers may run at once; what fails is tried again by a later sweep. When the signal aborts, it
 * ends in the middle, which is as good as anywhere.
 */
export async function sweep(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  const { events } = deps
  try {
    events.movesSwept(await continueMoves(deps, { movesMax }, signal))
  } catch (error) {
    // Postgres is away: the rows wait for the next sweep.
    events.sweepFailed('moves', error)
  }
  try {
    events.uploadsSwept(await expireUploads(deps, { uploadsMax }, signal))
  } catch (error) {
    // Postgres or the store is away: the rows wait for the next sweep.
    events.sweepFailed('uploads', error)
  }
}
