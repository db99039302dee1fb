import type { TaskId, UserId, ReservationId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import type { TaskInput, TaskStatus } from '@funmagic/contract/task'
import type { ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import type { FailureCode } from './task-state.ts'

/** What a completed task made: ids only, addresses are made when somebody reads them. */
export interface TaskOutput {
  readonly assetIds: readonly string[]
}

export interface Task {
  readonly id: TaskId
  readonly userId: UserId
  readonly toolId: string
  readonly toolSlug: string
  readonly toolVersion: number
  readonly step: ToolStep
  readonly status: TaskStatus
  readonly creditsCost: number
  readonly progress: number
  readonly attempt: number
  readonly retries: number
  readonly error: { readonly code: FailureCode; readonly message: string } | null
  readonly output: TaskOutput | null
  readonly parentTaskId: TaskId | null
  readonly reservationId: ReservationId
  readonly requestId: string
  readonly deadlineAt: Date
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
}

export interface TaskFilter {
  readonly userId: UserId
  readonly status?: TaskStatus | undefined
  readonly toolSlug?: string | undefined
}

/** The task, if it is the user's: somebody else's answers like one that is not there. */
export declare function findTask(
  database: Database,
  wanted: { userId: UserId; taskId: TaskId },
): Promise<Task | undefined>

/** The tasks of these ids, of any user, in no order; at most 500 ids in one call. */
export declare function findTasks(database: Database, taskIds: readonly TaskId[]): Promise<Task[]>

/** What the task was given. Undefined when there is no such task. */
export declare function findInput(
  database: Database,
  taskId: TaskId,
): Promise<TaskInput | undefined>

/** A user's tasks, newest first; nextCursor is the id to pass as beforeId. */
export declare function listTasks(
  database: Database,
  filter: TaskFilter,
  page: PageRequest,
): Promise<PageOf<Task>>
