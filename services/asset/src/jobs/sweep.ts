import { makeMissingDerivatives, type DerivativeDeps } from '@funmagic/asset/derivatives'
import { readMoveBacklog } from '@funmagic/asset/move-backlog'
import { continueMoves, type MoveDeps } from '@funmagic/asset/moves'
import { continueRevocations } from '@funmagic/asset/revocations'
import { expireUploads } from '@funmagic/asset/upload-expiry'
import type { Events } from '../events.ts'

export interface SweepDeps extends MoveDeps, DerivativeDeps {
  readonly events: Events
}

const movesMax = 50
const uploadsMax = 100
const derivativesMax = 10

/**
 * Ends what a request or another process left unfinished: moves of bytes between buckets,
 * removals whose time has come, what the edges are to forget, upload tickets that expired, and
 * smaller pictures that could not be made when their asset came in (P1, A11, A12, decision 5).
 * Any number of
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
    const { database, cdn } = deps
    if (cdn) events.revocationsSwept(await continueRevocations({ database, cdn }, signal))
    events.backlogRead(await readMoveBacklog(database))
  } catch (error) {
    // Postgres is away: the rows wait for the next sweep.
    events.sweepFailed('revocations', error)
  }
  try {
    events.uploadsSwept(await expireUploads(deps, { uploadsMax }, signal))
  } catch (error) {
    // Postgres is away: the rows wait for the next sweep.
    events.sweepFailed('uploads', error)
  }
  try {
    const limits = { assetsMax: derivativesMax }
    events.derivativesSwept(await makeMissingDerivatives(deps, limits, signal))
  } catch (error) {
    // Postgres is away: the rows wait for the next sweep.
    events.sweepFailed('derivatives', error)
  }
}
