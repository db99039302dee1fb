import { findCandidates, findHolder, type Candidate, type CandidateDeps } from './candidates.ts'
import type { Attempt } from './attempt.ts'
import { Denial } from './denial.ts'
import { obtainOutputs, takeUpCall, type ObtainDeps, type Outputs } from './obtain-outputs.ts'
import type { ProgressReport } from './progress-report.ts'

/**
 * Has the step done by the first of its models that is not down. Nothing is asked of the next one
 * unless nothing was asked of those before it: a call that a provider has stays with it, so no
 * step is done, or paid for at a provider, twice at once (V9, T6).
 */
export async function askInTurn(
  deps: ObtainDeps & CandidateDeps,
  attempt: Attempt,
  report: ProgressReport,
): Promise<Outputs> {
  const open = await takeUpCall(deps, attempt)
  const { candidates, wasModerated } =
    open === undefined
      ? await findCandidates(deps, attempt.task)
      : await findHolder(deps, attempt.task, open)
  const denials: Denial[] = []
  for (const [place, candidate] of candidates.entries()) {
    const others = candidates.slice(place + 1)
    choose(attempt, candidate)
    attempt.detours = { wasModerated, isLeft: others.some(({ isFresh }) => isFresh) }
    try {
      const hasOthers = open === undefined && others.length > 0
      return await obtainOutputs(deps, { attempt, candidate, report, hasOthers })
    } catch (error) {
      const isDown = error instanceof Denial && error.code === 'PROVIDER_UNAVAILABLE'
      if (!isDown || open !== undefined) throw error
      denials.push(error)
    }
  }
  throw soonest(denials)
}

function choose(attempt: Attempt, { account, model }: Candidate): void {
  attempt.account = account
  attempt.model = model
}

function soonest(denials: readonly Denial[]): Denial {
  const [first = new Denial('there is nobody to ask', 0), ...others] = denials
  return others.reduce((best, one) => (one.retryAfterMs < best.retryAfterMs ? one : best), first)
}
