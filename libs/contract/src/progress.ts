import Type, { type Static } from 'typebox'
import { TaskFailure } from './task.ts'
import { Id } from './ids.ts'

/** A draft of the picture while it is made, small enough for an event (TR7). */
export const Preview = Type.Object({
  mimeType: Type.Literal('image/webp'),
  data: Type.String({ maxLength: 14_000, description: 'Base64; 256 pixels at most' }),
})
export type Preview = Static<typeof Preview>

/**
 * The events of one task (R3), as they travel over Redis and as `data:` of a server-sent event.
 * `completed` names the output assets by id: URLs are made only when somebody reads them.
 */
export const ProgressEvent = Type.Union([
  Type.Object({
    type: Type.Literal('step_started'),
    stepId: Type.String(),
    stepName: Type.String(),
  }),
  Type.Object({
    type: Type.Literal('progress'),
    progress: Type.Integer({ minimum: 0, maximum: 100 }),
    message: Type.String(),
    preview: Type.Optional(Preview),
  }),
  Type.Object({
    type: Type.Literal('step_completed'),
    stepId: Type.String(),
    output: Type.Object({ assetIds: Type.Array(Id) }),
  }),
  Type.Object({
    type: Type.Literal('completed'),
    output: Type.Object({ assetIds: Type.Array(Id) }),
  }),
  Type.Object({ type: Type.Literal('failed'), error: TaskFailure }),
  Type.Object({ type: Type.Literal('canceled') }),
])
export type ProgressEvent = Static<typeof ProgressEvent>

export const terminalEventTypes = ['completed', 'failed', 'canceled'] as const

/** True for the event after which a task has no other. */
export function isTerminal(event: ProgressEvent): boolean {
  return terminalEventTypes.some(type => type === event.type)
}

/** An event with its place in the task's sequence: `{epochMs}-{n}`, n dense from 1. */
export interface NumberedEvent {
  readonly id: string
  readonly event: ProgressEvent
}

/** Sent on the user's stream alone, after every change of the balance. */
export const BalanceEvent = Type.Object({
  type: Type.Literal('balance'),
  balance: Type.Integer(),
  reservedBalance: Type.Integer(),
  /** Only in the one event that tells that the balance has fallen below so many credits. */
  lowThreshold: Type.Optional(Type.Integer()),
})
export type BalanceEvent = Static<typeof BalanceEvent>

/** What the stream of a user carries: the events of all their tasks, each naming its task. */
export type UserEvent = (ProgressEvent & { readonly taskId: string }) | BalanceEvent

/** An event with its place in the user's sequence, which is not its place in the task's. */
export interface NumberedUserEvent {
  readonly id: string
  readonly event: UserEvent
}
