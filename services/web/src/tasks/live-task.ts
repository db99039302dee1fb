import type { TaskView } from '@funmagic/contract/task'
import { onScopeDispose, shallowReactive } from 'vue'
import { followTask, type TaskFrame } from './follow-task.ts'

/** A task on a page, as far as the platform has told about it. */
export interface LiveTask {
  task: TaskView | undefined
  percent: number
  message: string
  /** A draft of the picture that is being made, as the address of its own bytes. */
  previewUrl: string | undefined
  error: unknown
  follow(): void
}

/** Follows the task until its end, or until its page is left. */
export function useLiveTask(taskId: string): LiveTask {
  let following = new AbortController()
  const live = shallowReactive<LiveTask>({
    task: undefined,
    percent: 0,
    message: '',
    previewUrl: undefined,
    error: undefined,
    follow() {
      following.abort()
      following = new AbortController()
      live.error = undefined
      const { signal } = following
      followTask(taskId, { onFrame, onTask, signal }).catch((error: unknown) => {
        if (!signal.aborted) live.error = error
      })
    },
  })

  function onTask(task: TaskView): void {
    live.task = task
    live.percent = task.status === 'completed' ? 100 : Math.max(live.percent, task.progress)
  }

  function onFrame(frame: TaskFrame): void {
    switch (frame.type) {
      case 'connected':
      case 'reset':
        live.percent = frame.progress
        return
      case 'step_started':
        live.message = frame.stepName
        return
      case 'progress':
        live.percent = frame.progress
        live.message = frame.message
        if (frame.preview !== undefined) {
          live.previewUrl = `data:${frame.preview.mimeType};base64,${frame.preview.data}`
        }
        return
      case 'step_completed':
        live.percent = 100
        return
      case 'heartbeat':
      case 'completed':
      case 'failed':
      case 'canceled':
        // The task itself, which is asked for at the end of the stream, says the rest.
        return
    }
  }

  onScopeDispose(() => following.abort())
  live.follow()
  return live
}
