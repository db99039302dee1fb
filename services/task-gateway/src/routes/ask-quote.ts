import { problems } from '@funmagic/contract/problem'
import { AskQuote, QuoteView } from '@funmagic/contract/task'
import { balanceOf } from '@funmagic/ledger/accounts'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { findStepTimes, type StepTimes } from '@funmagic/task/step-times'
import { checkOrder, type OrderDeps } from '../orders.ts'

/**
 * The price before the click, held for ten minutes. The order is checked as if it were submitted,
 * so that a quote is never given for what would be refused (C5).
 */
export const askQuote: RoutePlugin<{ orders: OrderDeps }> = async (app, { orders }) => {
  const stepTimes = rememberStepTimes(orders)
  app.post(
    '/api/quotes',
    {
      schema: {
        summary: 'What a task would cost, promised for ten minutes',
        body: AskQuote,
        response: { 200: QuoteView, ...quoteProblems },
      },
    },
    async request => {
      const { id: userId } = userOf(request)
      const order = { userId, requestId: request.id, body: request.body }
      const { task } = await checkOrder(orders, order)
      const { tool, step, creditsCost } = task
      const quote = {
        userId,
        toolSlug: tool.slug,
        toolVersion: tool.version,
        stepId: step.id,
        creditsCost,
      }
      const { token, expiresAt } = orders.quotes.give(quote)
      const { balance } = await balanceOf(orders.database, userId)
      return {
        creditsCost,
        quoteToken: token,
        expiresAt: expiresAt.toISOString(),
        balance,
        isAffordable: balance >= creditsCost,
        charges: chargesOf(creditsCost),
        wait: (await stepTimes({ toolId: tool.id, stepId: step.id })) ?? null,
      }
    },
  )
}

const quoteProblems = problems(
  'VALIDATION_FAILED',
  'UNAUTHORIZED',
  'ACCOUNT_SUSPENDED',
  'NOT_FOUND',
  'TOOL_INACTIVE',
  'STEP_ORDER',
  'INVALID_INPUT',
  'UNSUPPORTED_INPUT',
  'RATE_LIMITED',
  'PROVIDER_UNAVAILABLE',
)

/** Who does not get the result does not pay for it (TR17, C5). */
function chargesOf(creditsCost: number): QuoteView['charges'] {
  return { completed: creditsCost, failed: 0, canceledBeforeStart: 0, canceledWhileRunning: 0 }
}

const rememberedMs = 15_000
const rememberedMax = 1_000

/** One look at Postgres for a step in 15 s, however many people ask. */
function rememberStepTimes({ database }: OrderDeps) {
  const known = new Map<string, { readAtMs: number; times: Promise<StepTimes | undefined> }>()
  return (step: { toolId: string; stepId: string }): Promise<StepTimes | undefined> => {
    const key = `${step.toolId} ${step.stepId}`
    const earlier = known.get(key)
    if (earlier !== undefined && performance.now() - earlier.readAtMs < rememberedMs)
      return earlier.times
    if (known.size >= rememberedMax) known.clear()
    const times = findStepTimes(database, step)
    known.set(key, { readAtMs: performance.now(), times })
    // Whoever asked is told; the next one asks Postgres again.
    times.catch(() => known.delete(key))
    return times
  }
}
