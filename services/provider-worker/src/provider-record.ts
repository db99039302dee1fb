import type { ProviderRecord } from '@funmagic/task/lifecycle'
import type { Attempt } from './attempt.ts'
import { ProviderFailure } from './providers/provider.ts'

/**
 * What operators may read of the conversation with the provider. It is put together from what is
 * known to be harmless, not filtered from what was sent: no keys, no signed addresses, no bytes.
 */
export function describeAttempt(attempt: Attempt, error?: unknown): ProviderRecord {
  const { task, account, callId, submitted, stored } = attempt
  const { prompt, negativePrompt, size, seed, assetId, maskAssetId } = task.input
  const options = { negativePrompt, size, seed, maskAssetId }
  const { type: stepType, providerModel } = task.step
  const model = attempt.model ?? providerModel
  const outputs = stored.map(({ mimeType, sizeBytes, sha256 }) => ({ mimeType, sizeBytes, sha256 }))
  const failure =
    error instanceof ProviderFailure
      ? { kind: error.kind, status: error.status, message: error.message }
      : undefined
  return {
    request: { provider: account?.type, model, stepType, prompt, assetId, ...options },
    response: { outputs, failure },
    meta: {
      callId,
      providerRequestId: submitted?.providerRequestId,
      attempt: task.attempt,
      retries: task.retries,
    },
  }
}
