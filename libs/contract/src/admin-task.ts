import Type, { type Static } from 'typebox'
import { Reason } from './admin-event.ts'
import { Id } from './ids.ts'
import { pageQuery } from './page.ts'
import { TaskFailure, taskStatuses } from './task.ts'

const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])
const Time = Type.String({ format: 'date-time' })

/** A task as operators see it: what happened to it, and nothing of what the user wrote. */
export const AdminTaskView = Type.Object({
  id: Id,
  userId: Id,
  toolSlug: Type.String(),
  toolVersion: Type.Integer(),
  stepId: Type.String(),
  status: Type.Enum(taskStatuses),
  creditsCost: Type.Integer(),
  progress: Type.Integer(),
  attempt: Type.Integer(),
  retries: Type.Integer(),
  error: orNull(TaskFailure),
  parentTaskId: orNull(Id),
  requestId: Type.String(),
  deadlineAt: Time,
  createdAt: Time,
  startedAt: orNull(Time),
  finishedAt: orNull(Time),
})
export type AdminTaskView = Static<typeof AdminTaskView>

/** With its steps, its calls, and what was exchanged with the provider, redacted when stored. */
export const AdminTaskDetail = Type.Object({
  task: AdminTaskView,
  steps: Type.Array(
    Type.Object({
      stepId: Type.String(),
      status: Type.Enum(taskStatuses),
      startedAt: orNull(Time),
      completedAt: orNull(Time),
    }),
  ),
  calls: Type.Array(
    Type.Object({
      id: Id,
      stepId: Type.String(),
      attempt: Type.Integer(),
      provider: Type.String(),
      providerId: orNull(Id),
      model: Type.String(),
      costUsd: Type.Number({ description: 'What the provider takes, as set down at the call' }),
      state: Type.String(),
      providerRequestId: orNull(Type.String()),
      errorKind: orNull(Type.String()),
      createdAt: Time,
      updatedAt: Time,
    }),
  ),
  margin: Type.Object({
    creditsCharged: Type.Integer({ description: 'What the task brought' }),
    providerCostUsd: Type.Number({ description: 'What all of its calls cost' }),
  }),
  providerRequest: Type.Unknown(),
  providerResponse: Type.Unknown(),
  providerMeta: Type.Unknown(),
})
export type AdminTaskDetail = Static<typeof AdminTaskDetail>

export const ListAdminTasksQuery = Type.Object(
  {
    ...pageQuery,
    userId: Type.Optional(Id),
    toolSlug: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    status: Type.Optional(Type.Enum(taskStatuses)),
    errorCode: Type.Optional(Type.String({ pattern: '^[A-Z_]{1,64}$' })),
    createdFrom: Type.Optional(Time),
    createdBefore: Type.Optional(Time),
  },
  { additionalProperties: false },
)
export type ListAdminTasksQuery = Static<typeof ListAdminTasksQuery>

export const CancelAdminTask = Type.Object({ reason: Reason }, { additionalProperties: false })
