import { taskStatuses, type TaskStatus } from '@funmagic/contract/task'

/**
 * The legal transitions (invariant T1). The table `task_transitions` holds the same pairs and a
 * trigger enforces them; docs/task-states.md shows them. A test compares the three.
 * `processing → pending` is a task handed back or rescued; the next claim raises its attempt.
 */
export const taskTransitions = {
  pending: ['processing', 'failed', 'canceled'],
  processing: ['completed', 'failed', 'canceled', 'pending'],
  completed: [],
  failed: [],
  canceled: [],
} as const satisfies Record<TaskStatus, readonly TaskStatus[]>

/** True when a task may go from the one status to the other. */
export function isLegalTransition(from: TaskStatus, to: TaskStatus): boolean {
  const targets: readonly TaskStatus[] = taskTransitions[from]
  return targets.includes(to)
}

/** True for a status that a task never leaves. */
export function isFinished(status: TaskStatus): boolean {
  return taskTransitions[status].length === 0
}

export const openStatuses = taskStatuses.filter(status => !isFinished(status))

/**
 * Why a task can fail: the code that clients see in `task.error`, and its sentence. A failed
 * task costs nothing, so every sentence is about what to do next. Codes are public API.
 */
export const failureMessages = {
  PROVIDER_REJECTED: 'The AI provider did not accept this input. Change it and try again.',
  PROVIDER_UNAVAILABLE: 'The AI provider could not do this at the moment. Try again later.',
  PROVIDER_BUSY: 'The AI provider was too busy for too long. Try again later.',
  PROVIDER_TIMEOUT: 'The AI provider took too long. Try again later.',
  PROVIDER_BAD_RESPONSE: 'The AI provider answered with something that cannot be used. Try again.',
  PROVIDER_OUTPUT_EXPIRED:
    'The result could not be fetched before the AI provider removed it. Try again.',
  PROVIDER_NOT_CONFIGURED:
    'This tool is not set up completely. We have been told; try another one.',
  INPUT_UNAVAILABLE: 'The picture that this task works on is no longer there. Choose another.',
  IMAGE_PROCESSING_FAILED: 'The resulting picture could not be processed. Try again.',
  DEADLINE_EXCEEDED: 'The task could not be finished in time. Try again later.',
  POISON: 'The task was interrupted again and again. Change it and try again.',
  INTERNAL_ERROR: 'Something went wrong on our side. Try again later.',
} as const satisfies Record<string, string>
export type FailureCode = keyof typeof failureMessages
