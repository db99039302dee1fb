import { insertOutputAsset, type StoredOutput } from '@funmagic/asset/ingest'
import type { AssetId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { inOneTrip, inTransaction } from '@funmagic/database/transaction'
import { confirm, release, type HeldBalance } from '@funmagic/ledger/reservations'
import { failpoint } from '@funmagic/runtime/failpoints'
import { recordOutcome, recordUnsubmitted } from '@funmagic/task/calls'
import {
  completeTask,
  failTask,
  type Claim,
  type FinishedTask,
  type ProviderRecord,
} from '@funmagic/task/lifecycle'
import type { FailureCode } from '@funmagic/task/task-state'

export interface Settled {
  readonly task: FinishedTask
  readonly assetIds: readonly string[]
  readonly balance: HeldBalance
  /** Tasks that waited for this one and ended with it. */
  readonly dependents: readonly FinishedTask[]
}

/**
 * The end of a task, its assets and the payment for it are one commit, or nothing (TR16, M6, M7).
 * Undefined, and nothing is written, when the claim is over (T2).
 */
export async function settleCompleted(
  database: Database,
  completion: {
    readonly claim: Claim
    readonly callId: string
    readonly outputs: readonly StoredOutput[]
    /** The picture that the outputs were made of, if there was one. */
    readonly madeOf: AssetId | undefined
    readonly provider: ProviderRecord
  },
): Promise<Settled | undefined> {
  const { claim, callId, outputs, madeOf, provider } = completion
  const assetIds = outputs.map(output => output.id)
  return inTransaction(database, async tx => {
    const task = await completeTask(tx, { ...claim, output: { assetIds }, provider })
    if (task === undefined) return undefined
    for (const output of outputs) await insertOutputAsset(tx, output, madeOf)
    const [, balance] = await inOneTrip(
      recordOutcome(tx, { callId, state: 'succeeded' }),
      confirm(tx, task.reservationId, task.creditsCost),
    )
    failpoint('worker.settling')
    return { task, assetIds, balance, dependents: [] }
  })
}

export interface EndedCall {
  readonly callId: string
  readonly errorKind: string
  /** The provider has given it an id. */
  readonly hasId: boolean
  /** The provider takes nothing for it. */
  readonly isFree: boolean
}

/**
 * A task that is given up, the tasks that wait for it, and the return of all their credits are one
 * commit, fenced like the other (T8).
 */
export async function settleFailed(
  database: Database,
  failure: {
    readonly claim: Claim
    readonly code: FailureCode
    readonly detail: string
    readonly call: EndedCall | undefined
    readonly provider: ProviderRecord
  },
): Promise<Settled | undefined> {
  const { claim, code, detail, call, provider } = failure
  return inTransaction(database, async tx => {
    const task = await failTask(tx, { ...claim, code, detail, provider })
    if (task === undefined) return undefined
    if (call?.hasId === true) await recordOutcome(tx, { ...call, state: 'failed' })
    else if (call !== undefined) await recordUnsubmitted(tx, call)
    for (const { reservationId } of task.dependents) await release(tx, reservationId)
    const balance = await release(tx, task.reservationId)
    return { task, assetIds: [], balance, dependents: task.dependents }
  })
}
