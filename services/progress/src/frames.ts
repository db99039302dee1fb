import type { Task } from '@funmagic/task/tasks'
import type { ProgressEvent, UserEvent } from '@funmagic/contract/progress'
import type { TaskFailure, TaskStatus } from '@funmagic/contract/task'

/** The state of a task at one moment: what a client needs when it cannot have every event. */
export interface TaskSnapshot {
  readonly taskId: string
  readonly status: TaskStatus
  readonly progress: number
  readonly error: TaskFailure | null
  readonly output: { readonly assetIds: readonly string[] } | null
}

/** What a stream carries: the events of R3, and the frames that only a connection has. */
export type FrameData =
  | ({ readonly type: 'connected' } & (TaskSnapshot | { readonly userId: string }))
  | ({ readonly type: 'reset' } & (TaskSnapshot | { readonly userId: string }))
  | { readonly type: 'heartbeat' }
  | ProgressEvent
  | UserEvent

export interface Frame {
  readonly id: string
  readonly data: FrameData
}

/** The id before the first event. */
export const startId = '0-0'

export function snapshotOf(task: Task): TaskSnapshot {
  return {
    taskId: task.id,
    status: task.status,
    progress: task.progress,
    error: task.error,
    output: task.output,
  }
}

/** The terminal event that a finished task must have had, told from its row; else undefined. */
export function terminalEventOf(task: Task): ProgressEvent | undefined {
  switch (task.status) {
    case 'completed':
      return { type: 'completed', output: { assetIds: [...(task.output?.assetIds ?? [])] } }
    case 'failed':
      return { type: 'failed', error: task.error ?? { code: 'UNKNOWN', message: 'It failed.' } }
    case 'canceled':
      return { type: 'canceled' }
    case 'pending':
    case 'processing':
      return undefined
  }
}

/** The id under which a finished task's end is told when its stream has expired. */
export function terminalIdOf(task: Task): string {
  return `${task.finishedAt?.getTime() ?? 0}-0`
}

/** A server-sent event (HTML standard §9.2): JSON holds no line break, so one data line does. */
export function encodeServerSentEvent(frame: Frame): string {
  return `id: ${frame.id}\nevent: ${frame.data.type}\ndata: ${JSON.stringify(frame.data)}\n\n`
}
