import { modelsOf, type StepFallback } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { canHonour, stepInputOf } from '@funmagic/provider/capability'
import { findPastCalls, type OpenCall, type PastCall } from '@funmagic/task/calls'
import type { ClaimedTask } from '@funmagic/task/lifecycle'
import type { SpendOf } from '@funmagic/task/spend'
import type { Account } from './accounts.ts'
import { TaskFault } from './verdict.ts'

export interface CandidateDeps {
  readonly database: Database
  readonly openAccount: (providerId: string) => Promise<Account>
  readonly spendOf: SpendOf
}

/** A model that can do the step of the task, at its account. */
export interface Candidate {
  readonly account: Account
  readonly model: string
  /** The task has asked it before, without success. */
  readonly isRetry: boolean
  /** Never asked for this task, and nothing is known to be wrong with it. */
  readonly isFresh: boolean
}

export interface Choice {
  /** In the order in which they are to be asked; there is at least one. */
  readonly candidates: readonly Candidate[]
  readonly wasModerated: boolean
}

/**
 * The models that may do the step now: those that failed least for this task, in the order of the
 * step. What was refused for good there is not repeated, a fallback must honour the whole request,
 * and one whose key is refused or whose money for today is spent comes last. All of it follows
 * from what is on record, so that any worker that goes on with the task chooses alike (V9).
 */
export async function findCandidates(deps: CandidateDeps, task: ClaimedTask): Promise<Choice> {
  const [first, ...fallbacks] = modelsOf(task.step)
  if (first === undefined || fallbacks.length === 0) {
    const account = await deps.openAccount(task.step.providerId)
    const candidate = { account, model: task.step.providerModel, isFresh: false }
    return { candidates: [{ ...candidate, isRetry: task.retries > 0 }], wasModerated: false }
  }
  const past = await findPastCalls(deps.database, { taskId: task.id, stepId: task.step.id })
  const rated = await rate(deps, task, past)
  const open = rated.filter(({ isRefused }) => !isRefused)
  const usable = open.filter(({ rank }) => rank < ranks.keyRefused)
  const candidates = (usable.length > 0 ? usable : open).toSorted(
    (a, b) => a.rank - b.rank || a.failures - b.failures,
  )
  if (candidates.length === 0) {
    throw new TaskFault('PROVIDER_UNAVAILABLE', 'no model is left that could do this step')
  }
  return { candidates, wasModerated: past.some(({ errorKind }) => errorKind === 'moderated') }
}

/** The one that has the open call, and beside it what is left if that refuses the content. */
export async function findHolder(
  deps: CandidateDeps,
  task: ClaimedTask,
  { providerId, model }: Pick<OpenCall, 'providerId' | 'model'>,
): Promise<Choice> {
  const holderId = providerId ?? task.step.providerId
  const account = await deps.openAccount(holderId)
  const holder = { account, model, isRetry: false, isFresh: false }
  if (modelsOf(task.step).length === 1) return { candidates: [holder], wasModerated: false }
  const choice = await findCandidates(deps, task)
  const others = choice.candidates.filter(
    other => other.account.id !== holderId || other.model !== model,
  )
  return { ...choice, candidates: [holder, ...others] }
}

const ranks = { good: 0, spent: 1, keyRefused: 2 } as const

interface Rated extends Candidate {
  readonly rank: number
  readonly failures: number
  readonly isRefused: boolean
}

/** What the same model would answer again. */
const refusals: readonly string[] = ['moderated', 'unauthorized', 'misconfigured']

async function rate(
  deps: CandidateDeps,
  task: ClaimedTask,
  past: readonly PastCall[],
): Promise<Rated[]> {
  const rated: Rated[] = []
  for (const [place, asked] of modelsOf(task.step).entries()) {
    const account = await openAble(deps, task, { ...asked, isFirst: place === 0 })
    if (account === undefined) continue
    const { providerId, providerModel: model } = asked
    const calls = past.filter(
      call => (call.providerId ?? task.step.providerId) === providerId && call.model === model,
    )
    const rank = await rankOf(deps, account)
    rated.push({
      account,
      model,
      rank,
      failures: calls.length,
      isRetry: calls.length > 0 && task.retries > 0,
      isFresh: calls.length === 0 && rank === ranks.good,
      isRefused: calls.some(({ errorKind }) => refusals.includes(errorKind ?? '')),
    })
  }
  return rated
}

/** The first was held against the request before it was paid for. */
async function openAble(
  { openAccount }: CandidateDeps,
  { step, input, inheritsPicture }: ClaimedTask,
  { providerId, providerModel, isFirst }: StepFallback & { readonly isFirst: boolean },
): Promise<Account | undefined> {
  try {
    const account = await openAccount(providerId)
    const wanted = { type: step.type, providerModel }
    const isAble = isFirst || canHonour(account.type, wanted, stepInputOf(input, inheritsPicture))
    return isAble ? account : undefined
  } catch (error) {
    // Removed, or without a key that can be read: the others are not worse for that.
    if (error instanceof TaskFault) return undefined
    throw error
  }
}

async function rankOf({ spendOf }: CandidateDeps, account: Account): Promise<number> {
  if (!account.isHealthy) return ranks.keyRefused
  const budget = account.dailyBudgetMicroUsd
  if (budget === undefined) return ranks.good
  return (await spendOf(account.id)) >= budget ? ranks.spent : ranks.good
}
