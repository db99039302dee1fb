import { storeOutput } from '@funmagic/asset/ingest'
import type { ObjectStore } from '@funmagic/asset/object-store'
import { AppError } from '@funmagic/contract/problem'
import type { FailureCode } from '@funmagic/task/task-state'
import type { Account } from './accounts.ts'
import type { Attempt } from './attempt.ts'
import { fetchOutput, type FetchedOutput } from './fetch-output.ts'
import type { ProviderOutput } from './providers/provider.ts'
import { TaskFault } from './verdict.ts'

export interface StoreDeps {
  readonly store: ObjectStore
  readonly limits: { readonly outputBytesMax: number; readonly outputTimeoutMs: number }
}

/**
 * Takes the outputs in: fetched, checked and stored as private objects, one after the other so
 * that one is in memory at a time. They become assets only when the task completes (TR17).
 */
export async function storeOutputs(
  deps: StoreDeps,
  attempt: Attempt,
  made: { readonly account: Account; readonly outputs: readonly ProviderOutput[] },
): Promise<void> {
  const { task, signal } = attempt
  for (const [index, output] of made.outputs.entries()) {
    const { bytes, mimeType } = await takeIn(deps, made.account, { output, signal })
    signal.throwIfAborted()
    const { userId, toolSlug: module, id: taskId } = task
    try {
      attempt.stored.push(
        await storeOutput(deps.store, { userId, module, taskId, index, bytes, mimeType }),
      )
    } catch (error) {
      throw asFault(error)
    }
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
