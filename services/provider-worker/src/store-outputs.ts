import { storeOutput, type StoredOutput } from '@funmagic/asset/ingest'
import type { ObjectStore } from '@funmagic/asset/object-store'
import { AppError } from '@funmagic/contract/problem'
import { failpoint } from '@funmagic/runtime/failpoints'
import type { FailureCode } from '@funmagic/task/task-state'
import type { Account } from './accounts.ts'
import type { Attempt } from './attempt.ts'
import type { Events } from './events.ts'
import { fetchOutput, type FetchedOutput } from './fetch-output.ts'
import type { ProviderOutput } from './providers/provider.ts'
import { TaskFault } from './verdict.ts'

export interface StoreDeps {
  readonly store: ObjectStore
  readonly events: Pick<Events, 'sideWorkFailed'>
  readonly limits: { readonly outputBytesMax: number; readonly outputTimeoutMs: number }
}

/**
 * Takes the outputs in: fetched, checked and stored as private objects, one after the other so
 * that one is in memory at a time. They become assets only when the task completes (TR17). What
 * the provider made beside what was asked for is left out when it cannot be had.
 */
export async function storeOutputs(
  deps: StoreDeps,
  attempt: Attempt,
  made: { readonly account: Account; readonly outputs: readonly ProviderOutput[] },
): Promise<void> {
  for (const [index, output] of made.outputs.entries()) {
    try {
      attempt.stored.push(await keep(deps, attempt, { account: made.account, output, index }))
    } catch (error) {
      const isNeeded = output.kind === 'bytes' || output.isExtra !== true
      if (isNeeded || attempt.signal.aborted) throw error
      deps.events.sideWorkFailed(attempt.task, 'extra output', error)
    }
  }
}

async function keep(
  deps: StoreDeps,
  { task, signal }: Attempt,
  made: { readonly account: Account; readonly output: ProviderOutput; readonly index: number },
): Promise<StoredOutput> {
  const { account, output, index } = made
  const { bytes, mimeType } = await takeIn(deps, account, { output, signal })
  failpoint('worker.received')
  signal.throwIfAborted()
  const { userId, toolSlug: module, id: taskId } = task
  try {
    return await storeOutput(deps.store, { userId, module, taskId, index, bytes, mimeType })
  } catch (error) {
    throw asFault(error)
  }
}

async function takeIn(
  { limits }: StoreDeps,
  { provider, trustedOrigin }: Account,
  { output, signal }: { readonly output: ProviderOutput; readonly signal: AbortSignal },
): Promise<FetchedOutput> {
  if (output.kind === 'bytes') return { bytes: output.bytes, mimeType: 'application/octet-stream' }
  return fetchOutput(output.url, {
    hosts: provider.outputHosts,
    trustedOrigin,
    bytesMax: limits.outputBytesMax,
    timeoutMs: limits.outputTimeoutMs,
    signal,
  })
}

/** Bytes that are not what a tool may produce: trying again would bring the same. */
const faultCodes: Readonly<Record<string, FailureCode>> = {
  TYPE_MISMATCH: 'PROVIDER_BAD_RESPONSE',
  PAYLOAD_TOO_LARGE: 'PROVIDER_BAD_RESPONSE',
  IMAGE_INVALID: 'IMAGE_PROCESSING_FAILED',
  IMAGE_TOO_LARGE: 'IMAGE_PROCESSING_FAILED',
}

function asFault(error: unknown): unknown {
  const code = error instanceof AppError ? faultCodes[error.code] : undefined
  if (code === undefined) return error
  return new TaskFault(code, 'the output cannot be kept', { cause: error })
}
