// How a page knows what becomes of a task: by the task's event stream, which is opened again where
// it broke off. Each time it breaks the task itself is asked for, so that a browser or a network
// that lets no stream through still sees the progress and the end, some seconds later.
import type { ProgressEvent } from '@funmagic/contract/progress'
import type { TaskStatus, TaskView } from '@funmagic/contract/task'
import { get } from '../api/client.ts'
import { readEvents } from '../api/event-stream.ts'
import { ApiProblem } from '../api/problem.ts'

/** The frames of a stream: the task's events, and what a connection says about itself. */
export type TaskFrame =
  | ProgressEvent
  | { readonly type: 'connected' | 'reset'; readonly status: TaskStatus; readonly progress: number }
  | { readonly type: 'heartbeat' }

export interface FollowOptions {
  readonly onFrame: (frame: TaskFrame) => void
  /** The task as it is now: at first, after each break, and at the end. */
  readonly onTask: (task: TaskView) => void
  readonly signal: AbortSignal
  readonly pauses?: Pauses
}

interface Pauses {
  readonly firstMs: number
  readonly mostMs: number
  /** The platform speaks every 6 s: who is silent for so long is gone. */
  readonly silenceMs: number
}

const usualPauses: Pauses = { firstMs: 1_000, mostMs: 8_000, silenceMs: 20_000 }
const final = new Set<TaskStatus>(['completed', 'failed', 'canceled'])
// What no repetition changes.
const hopeless = new Set(['NOT_FOUND', 'INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN'])

/** Resolves at the end of the task, or when the signal aborts. Throws what cannot be overcome. */
export async function followTask(taskId: string, options: FollowOptions): Promise<void> {
  const { signal, onTask, pauses = usualPauses } = options
  const position: Position = { lastEventId: undefined }
  // Bounded by the task, which the platform ends at its deadline, and by the page.
  for (let failures = 0; !signal.aborted; failures++) {
    const task = await attempt(() => loadTask(taskId, signal))
    if (signal.aborted) return
    if (task !== undefined) onTask(task)
    if (task !== undefined && final.has(task.status)) return
    const heard = await attempt(() => listen(taskId, position, options))
    if (heard !== undefined && heard > 0) failures = 0
    if (heard === undefined || heard === 0) await pause(pauses, failures, signal)
  }
}

interface Position {
  lastEventId: string | undefined
}

/** Undefined for what may be better the next time. */
async function attempt<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ApiProblem && hopeless.has(error.code)) throw error
    return undefined
  }
}

async function loadTask(taskId: string, signal: AbortSignal): Promise<TaskView> {
  return (await get<{ task: TaskView }>(`/api/tasks/${taskId}`, { signal })).task
}

/** Passes on what the stream says until it ends; how many of the task's own events there were. */
async function listen(
  taskId: string,
  position: Position,
  { onFrame, signal, pauses = usualPauses }: FollowOptions,
): Promise<number> {
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), pauses.silenceMs)
  let heard = 0
  try {
    const events = readEvents(`/api/tasks/${taskId}/stream`, {
      lastEventId: position.lastEventId,
      signal: AbortSignal.any([signal, silence.signal]),
    })
    for await (const { id, data } of events) {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), pauses.silenceMs)
      if (id !== '') position.lastEventId = id
      // What the progress service sends (services/progress/src/frames.ts).
      const frame = data as TaskFrame
      onFrame(frame)
      if (frame.type !== 'heartbeat' && frame.type !== 'connected') heard++
    }
  } finally {
    clearTimeout(timer)
  }
  return heard
}

function pause({ firstMs, mostMs }: Pauses, failures: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, Math.min(firstMs * 2 ** failures, mostMs))
    const stop = () => {
      clearTimeout(timer)
      resolve()
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}
