import type {
  AskQuote,
  QuoteView,
  SubmittedTask,
  TaskInput,
  TaskView,
} from '@funmagic/contract/task'
import type { ToolView } from '@funmagic/contract/tool'
import { post } from '../api/client.ts'

type Step = ToolView['steps'][number]

/** What a step is given, by what it does: whatever else it cannot honour the quote says. */
const inputs: Readonly<Record<string, { picture: boolean; prompt: boolean }>> = {
  'background-remove': { picture: true, prompt: false },
  'image-gen': { picture: true, prompt: true },
  'point-cloud': { picture: true, prompt: false },
  '3d-gen': { picture: true, prompt: true },
}

export function inputsOf(step: Step | undefined): { picture: boolean; prompt: boolean } {
  return inputs[step?.type ?? ''] ?? { picture: true, prompt: true }
}

export interface Draft {
  readonly prompt: string
  readonly styleReferenceId: string
  readonly assetId: string | undefined
}

export function inputOf({ prompt, styleReferenceId, assetId }: Draft): TaskInput {
  return {
    ...(assetId !== undefined && { assetId }),
    ...(prompt.trim() !== '' && { prompt: prompt.trim() }),
    ...(styleReferenceId !== '' && { styleReferenceId }),
  }
}

/** What the order would cost, and whether its tool can do it. */
export function askQuote(body: AskQuote, signal: AbortSignal): Promise<QuoteView> {
  return post('/api/quotes', { body, signal })
}

export interface Order {
  readonly tool: ToolView
  readonly input: TaskInput
  /** Later steps that are wanted too, in their order. */
  readonly laterStepIds: readonly string[]
  readonly quoteToken: string | undefined
  /** Of one click: repeated after a broken line, it orders nothing twice. */
  readonly key: string
}

/** Orders the first step and those after it; each waits for the one before. */
export async function submitOrder(order: Order): Promise<TaskView> {
  const { tool, input, laterStepIds, quoteToken, key } = order
  const first = await post<SubmittedTask>('/api/tasks', {
    body: { toolSlug: tool.slug, input, ...(quoteToken !== undefined && { quoteToken }) },
    idempotencyKey: key,
  })
  let parentTaskId = first.task.id
  for (const stepId of laterStepIds) {
    const { task } = await post<SubmittedTask>('/api/tasks', {
      body: { toolSlug: tool.slug, stepId, parentTaskId, input: {} },
      idempotencyKey: `${key}/${stepId}`,
    })
    parentTaskId = task.id
  }
  return first.task
}

export async function cancelTask(taskId: string): Promise<TaskView> {
  return (await post<{ task: TaskView }>(`/api/tasks/${taskId}/cancel`, { body: {} })).task
}
