import Type, { type Static } from 'typebox'
import { Reason } from './admin-event.ts'
import { Id } from './ids.ts'
import { pageQuery } from './page.ts'

const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])
const Time = Type.String({ format: 'date-time' })

/** A failed task of the last 14 days, and the task that repeats it, if one does. */
export const DeadLetterView = Type.Object({
  taskId: Id,
  userId: Id,
  toolSlug: Type.String(),
  stepId: Type.String(),
  errorCode: Type.String(),
  detail: orNull(Type.String({ description: 'What exactly went wrong, for operators' })),
  attempt: Type.Integer(),
  createdAt: Time,
  failedAt: Time,
  retriedByTaskId: orNull(Id),
})
export type DeadLetterView = Static<typeof DeadLetterView>

export const DeadLetterGroupView = Type.Object({
  errorCode: Type.String(),
  toolSlug: Type.String(),
  count: Type.Integer(),
  retriedCount: Type.Integer(),
  oldestAt: Time,
  newestAt: Time,
})
export type DeadLetterGroupView = Static<typeof DeadLetterGroupView>

export const DeadLetterGroups = Type.Object({ items: Type.Array(DeadLetterGroupView) })

const filter = {
  userId: Type.Optional(Id),
  toolSlug: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  errorCode: Type.Optional(Type.String({ pattern: '^[A-Z_]{1,64}$' })),
  failedFrom: Type.Optional(Time),
  failedBefore: Type.Optional(Time),
}

export const DeadLetterFilter = Type.Object(filter, { additionalProperties: false })
export type DeadLetterFilter = Static<typeof DeadLetterFilter>

export const ListDeadLettersQuery = Type.Object(
  { ...pageQuery, ...filter },
  { additionalProperties: false },
)

export const deadLetterRetriesMax = 100

/** Repeats what the filter finds and nobody has repeated yet, the oldest first. */
export const RetryDeadLetters = Type.Object(
  {
    filter: DeadLetterFilter,
    limit: Type.Integer({ minimum: 1, maximum: deadLetterRetriesMax, default: 20 }),
    reason: Reason,
  },
  { additionalProperties: false },
)
export type RetryDeadLetters = Static<typeof RetryDeadLetters>

/** What has become of each: a new task of its owner's, or why there is none. */
export const DeadLetterRetries = Type.Object({
  items: Type.Array(
    Type.Object({
      taskId: Id,
      newTaskId: orNull(Id),
      errorCode: orNull(Type.String({ examples: ['INSUFFICIENT_CREDITS'] })),
    }),
  ),
})
export type DeadLetterRetries = Static<typeof DeadLetterRetries>
