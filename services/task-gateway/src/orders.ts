import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { SubmitTask } from '@funmagic/contract/task'
import type { ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { stepInputOf } from '@funmagic/provider/capability'
import type { Provider } from '@funmagic/provider/providers'
import { findTool, readStep, requireStepOrder, type Tool } from '@funmagic/task/catalog'
import type { NewTask } from '@funmagic/task/submission'
import { findToolVersion } from '@funmagic/task/tool-versions'
import { readInput, type InputDeps } from './input-reader.ts'
import type { Availability } from './provider-availability.ts'
import type { Quote, Quotes } from './quotes.ts'

export interface OrderDeps extends InputDeps {
  readonly quotes: Quotes
  readonly timeouts: TaskTimeouts
  readonly availability: Availability
  /** As it was a moment ago; the worker looks again. */
  readonly providerOf: (providerId: string) => Promise<Provider | undefined>
}

/** A task has its step's time to run, and this allowance to wait in the queue before. */
export interface TaskTimeouts {
  readonly stepDefaultSeconds: number
  readonly queueAllowanceSeconds: number
}

export interface Order {
  readonly userId: UserId
  readonly requestId: string
  readonly body: SubmitTask
}

/** What was ordered, found to be possible, and what it costs. */
export interface CheckedOrder {
  readonly task: Omit<NewTask, 'idempotency'>
  readonly description: string
}

/**
 * Refuses whatever can be refused before it is paid for: the tool, the step and its turn, the
 * picture, what the model can honour, whether its provider is there. A quote decides the price and
 * the version of the tool, even when an operator has changed both since; a tool that was switched
 * off stays off (C5, T7).
 */
export async function checkOrder(deps: OrderDeps, order: Order): Promise<CheckedOrder> {
  const { userId, requestId, body } = order
  const { parentTaskId, quoteToken } = body
  const quote = quoteToken === undefined ? undefined : deps.quotes.read(quoteToken, userId)
  const tool = await readActiveTool(deps.database, body.toolSlug, quote)
  const step = readStep(tool, body.stepId)
  if (quote !== undefined && quote.stepId !== step.id) throw new AppError('QUOTE_MISMATCH')
  const parent = await requireStepOrder(deps.database, { userId, tool, step, parentTaskId })
  const provider = await deps.providerOf(step.providerId)
  const given = { userId, tool, step, provider, parent, input: body.input }
  const work = await readInput(deps, given)
  const wanted = stepInputOf(work.input, work.inheritsPicture)
  await deps.availability.require({ step, provider }, wanted)
  const creditsCost = quote?.creditsCost ?? step.cost
  const timeoutMs = timeoutMsOf(step, deps.timeouts)
  return {
    task: { userId, tool, step, creditsCost, ...work, parentTaskId, requestId, timeoutMs },
    description: `${tool.title}: ${step.name}`,
  }
}

async function readActiveTool(
  database: Database,
  slug: string,
  quote: Quote | undefined,
): Promise<Tool> {
  if (quote !== undefined && quote.toolSlug !== slug) throw new AppError('QUOTE_MISMATCH')
  const tool =
    quote === undefined
      ? await findTool(database, slug)
      : await findToolVersion(database, { slug, version: quote.toolVersion })
  if (tool === undefined) throw new AppError('NOT_FOUND', { details: { field: 'toolSlug' } })
  if (!tool.isActive) throw new AppError('TOOL_INACTIVE')
  return tool
}

/** What a task has when its step says nothing. */
export function timeoutDefaultMs(timeouts: TaskTimeouts): number {
  return (timeouts.stepDefaultSeconds + timeouts.queueAllowanceSeconds) * 1000
}

function timeoutMsOf(step: ToolStep, timeouts: TaskTimeouts): number {
  const stepDefaultSeconds = step.timeoutSeconds ?? timeouts.stepDefaultSeconds
  return timeoutDefaultMs({ ...timeouts, stepDefaultSeconds })
}
