import type { ProviderView } from '@funmagic/contract/admin-provider'
import type { AdminTaskView } from '@funmagic/contract/admin-task'
import type { AdminToolTypeView, AdminToolView } from '@funmagic/contract/admin-tool'
import type { StoredProvider } from '@funmagic/provider/provider-changes'
import type { StoredTool } from '@funmagic/task/tool-changes'
import type { Task } from '@funmagic/task/tasks'
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

/** Column by column: what the user wrote is no part of it. */
export function toAdminTask(task: Task): AdminTaskView {
  return {
    id: task.id,
    userId: task.userId,
    toolSlug: task.toolSlug,
    toolVersion: task.toolVersion,
    stepId: task.step.id,
    status: task.status,
    creditsCost: task.creditsCost,
    progress: task.progress,
    attempt: task.attempt,
    retries: task.retries,
    error: task.error,
    parentTaskId: task.parentTaskId,
    requestId: task.requestId,
    deadlineAt: task.deadlineAt.toISOString(),
    createdAt: task.createdAt.toISOString(),
    startedAt: task.startedAt?.toISOString() ?? null,
    finishedAt: task.finishedAt?.toISOString() ?? null,
  }
}
