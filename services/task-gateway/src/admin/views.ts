import type { ProviderView } from '@funmagic/contract/admin-provider'
import type { AdminToolTypeView, AdminToolView } from '@funmagic/contract/admin-tool'
import type { StoredProvider } from '@funmagic/provider/provider-changes'
import type { StoredTool } from '@funmagic/task/tool-changes'
import type { StoredToolType } from '@funmagic/task/tool-types'

interface Stamped {
  readonly createdAt: Date
  readonly updatedAt: Date
}

function stampsOf({ createdAt, updatedAt }: Stamped) {
  return { createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}

export function toAdminTool(tool: StoredTool): AdminToolView {
  return { ...tool, ...stampsOf(tool) }
}

export function toAdminToolType(type: StoredToolType): AdminToolTypeView {
  return { ...type, ...stampsOf(type) }
}

/** A key that was stored before its last characters were is shown by asterisks. */
export function toProviderView({
  hasKey,
  isHealthy,
  healthCheckedAt,
  ...provider
}: StoredProvider): ProviderView {
  const checkedAt = healthCheckedAt?.toISOString() ?? null
  return {
    ...provider,
    apiKeyLast4: hasKey ? (provider.apiKeyLast4 ?? '****') : null,
    health: isHealthy === null ? null : { isHealthy, checkedAt },
    ...stampsOf(provider),
  }
}
