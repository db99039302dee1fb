/**
 * Start-time fair queueing (Goyal, Vin, Cheng 1996) on the priorities of plain BullMQ, which has no
 * groups. Every task gets a start in virtual time: where the queue has got to, or one behind the
 * last start of its user that still waits, whichever is later. Whoever waits with the smallest
 * start is next. So a user with 10 000 tasks has the starts n, n+1, n+2 … and somebody who comes
 * now has n: one task of each user before it, however many they have (T14).
 *
 * The starts are columns of the tasks (outbox.ts), so no loss of Redis loses the order. The virtual
 * time is the smallest start that waits; an empty queue begins at 0 again.
 */
export interface QueueState {
  readonly virtualTime: number
  /** The greatest start that waits, by flow; a flow without one may be missing. */
  readonly lastStarts: ReadonlyMap<string, number>
}

/** The starts of tasks that arrive in this order, each named by its flow. */
export function planStarts(state: QueueState, flows: readonly string[]): number[] {
  const lastStarts = new Map(state.lastStarts)
  return flows.map(flow => {
    const last = lastStarts.get(flow)
    const start = Math.max(state.virtualTime, last === undefined ? 0 : last + 1)
    lastStarts.set(flow, start)
    return start
  })
}

/** BullMQ's lowest priority; it puts the highest number last. */
const priorityMax = 2 ** 21 - 1

/** From this virtual time on all starts are to be counted from 0 again. */
export const renumberFrom = 2 ** 20

/** What lies beyond the last priority is served in the order of arrival. */
export function priorityOf(start: number): number {
  return Math.min(start + 1, priorityMax)
}

/**
 * Tasks that come back, after a failure or a pause, are a flow of their own beside the new ones of
 * their user: neither do they go behind everything that waits, nor do thousands that come back at
 * once go before everybody else.
 */
export function flowOf(task: { readonly userId: string; readonly isReturn: boolean }): string {
  return `${task.userId} ${task.isReturn}`
}
