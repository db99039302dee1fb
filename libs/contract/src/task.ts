import Type, { type Static } from 'typebox'
import { AssetView } from './asset.ts'
import { Id } from './ids.ts'
import { pageQuery } from './page.ts'

export const taskStatuses = ['pending', 'processing', 'completed', 'failed', 'canceled'] as const
export type TaskStatus = (typeof taskStatuses)[number]

/**
 * What a tool is given. `imageStorageKey` is the key of an own asset and stands for its assetId;
 * `imageUrl` is taken only on our own CDN hosts (requirement A14; api.md, Tasks).
 */
export const TaskInput = Type.Object(
  {
    assetId: Type.Optional(Id),
    imageStorageKey: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    imageUrl: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
    prompt: Type.Optional(Type.String({ minLength: 1, maxLength: 32_000 })),
    styleReferenceId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    negativePrompt: Type.Optional(Type.String({ minLength: 1, maxLength: 2_000 })),
    maskAssetId: Type.Optional({
      ...Id,
      description: 'An own PNG of the size of the picture; what is transparent in it may change',
    }),
    size: Type.Optional(
      Type.String({ pattern: '^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$', examples: ['1024x1536'] }),
    ),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  },
  { additionalProperties: false },
)
export type TaskInput = Static<typeof TaskInput>

const order = {
  toolSlug: Type.String({ minLength: 1, maxLength: 64, examples: ['background-remove'] }),
  stepId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  parentTaskId: Type.Optional(Id),
  input: TaskInput,
}

/** Body of POST /api/tasks (T4). */
export const SubmitTask = Type.Object(
  {
    ...order,
    quoteToken: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description: 'Of POST /api/quotes: the quoted price holds, and the version it was for runs',
      }),
    ),
  },
  { additionalProperties: false },
)
export type SubmitTask = Static<typeof SubmitTask>

/** Body of POST /api/quotes: that of a task which might follow (C5). */
export const AskQuote = Type.Object(order, { additionalProperties: false })
export type AskQuote = Static<typeof AskQuote>

/** What a person wants to know before the click (C5). */
export const QuoteView = Type.Object({
  creditsCost: Type.Integer({ description: 'Credits that the task will cost when it completes' }),
  quoteToken: Type.String(),
  expiresAt: Type.String({ format: 'date-time' }),
  balance: Type.Integer({ description: 'Credits free to spend' }),
  isAffordable: Type.Boolean(),
  charges: Type.Object(
    {
      completed: Type.Integer(),
      failed: Type.Integer(),
      canceledBeforeStart: Type.Integer(),
      canceledWhileRunning: Type.Integer({ description: 'At most' }),
    },
    { description: 'What is paid in the end, by how the task ends' },
  ),
  wait: Type.Union([
    Type.Object({
      p50Seconds: Type.Number(),
      p90Seconds: Type.Number(),
      basedOn: Type.Integer({ description: 'Recent tasks of this step that were counted' }),
    }),
    Type.Null(),
  ]),
})
export type QuoteView = Static<typeof QuoteView>

/** Why a task did not complete; codes are listed in docs/task-states.md. */
export const TaskFailure = Type.Object({ code: Type.String(), message: Type.String() })
export type TaskFailure = Static<typeof TaskFailure>

/** A task as its parent shows it: enough to draw a chain with its costs and times. */
export const ChildView = Type.Object({
  id: Id,
  stepId: Type.String(),
  status: Type.Enum(taskStatuses),
  creditsCost: Type.Integer(),
  startedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  finishedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
})
export type ChildView = Static<typeof ChildView>

export const TaskView = Type.Object({
  id: Id,
  toolSlug: Type.String(),
  stepId: Type.String(),
  status: Type.Enum(taskStatuses),
  creditsCost: Type.Integer(),
  progress: Type.Integer({ minimum: 0, maximum: 100, description: 'Percent' }),
  error: Type.Union([TaskFailure, Type.Null()]),
  output: Type.Union([Type.Object({ assets: Type.Array(AssetView) }), Type.Null()]),
  parentTaskId: Type.Union([Id, Type.Null()]),
  waitsForParent: Type.Boolean({ description: 'Starts when the parent has completed' }),
  children: Type.Array(ChildView, { description: 'The newest 20, oldest first' }),
  createdAt: Type.String({ format: 'date-time' }),
  startedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  finishedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
})
export type TaskView = Static<typeof TaskView>

export const SubmittedTask = Type.Object({
  task: TaskView,
  statusUrl: Type.String(),
  streamUrl: Type.String(),
  cancelUrl: Type.String(),
})
export type SubmittedTask = Static<typeof SubmittedTask>

export const ListTasksQuery = Type.Object(
  {
    ...pageQuery,
    status: Type.Optional(Type.Enum(taskStatuses)),
    toolSlug: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    parentTaskId: Type.Optional(Id),
  },
  { additionalProperties: false },
)
export type ListTasksQuery = Static<typeof ListTasksQuery>

/** The name of the queue of user tasks (T5), and all that a job of it carries. */
export const taskQueueName = 'ai-tasks'
export interface TaskJob {
  readonly taskId: string
  readonly requestId: string
}
