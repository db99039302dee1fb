import Type, { type Static } from 'typebox'
import { Id } from './ids.ts'
import { pageQuery } from './page.ts'
import { userRoles } from './user.ts'

/** What operators change; with an action it names what happened, such as `tool.updated`. */
export const adminSubjects = [
  'tool',
  'tool_type',
  'provider',
  'admin_provider',
  'task',
  'settings',
  'user',
  'asset',
  'credits',
] as const
export type AdminSubject = (typeof adminSubjects)[number]

export const Reason = Type.String({
  minLength: 1,
  maxLength: 500,
  pattern: '\\S',
  description: 'Why; it is kept in the audit',
})

/** Which version a change is based on: that of the body, or that of If-Match. */
export const BasedOn = Type.Integer({
  minimum: 1,
  maximum: 2_147_483_647,
  description: 'The version that was read; If-Match says the same. Another one by now: 412',
})

const Snapshot = Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])

/** One line of the audit: who changed what, and why. Secrets are no part of it. */
export const AdminEventView = Type.Object({
  id: Id,
  actorId: Id,
  actorRole: Type.Enum(userRoles),
  action: Type.String({ examples: ['tool.updated'] }),
  subjectType: Type.Enum(adminSubjects),
  subjectId: Type.String(),
  before: Snapshot,
  after: Snapshot,
  reason: Type.Union([Type.String(), Type.Null()]),
  requestId: Type.String(),
  createdAt: Type.String({ format: 'date-time' }),
})
export type AdminEventView = Static<typeof AdminEventView>

export const ListAdminEventsQuery = Type.Object(
  {
    ...pageQuery,
    actorId: Type.Optional(Id),
    subjectType: Type.Optional(Type.Enum(adminSubjects)),
    subjectId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  { additionalProperties: false },
)
export type ListAdminEventsQuery = Static<typeof ListAdminEventsQuery>
