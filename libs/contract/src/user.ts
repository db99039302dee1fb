import Type, { type Static } from 'typebox'
import { Id } from './ids.ts'

export const userRoles = ['user', 'admin', 'super_admin'] as const
export type UserRole = (typeof userRoles)[number]

/** The user as clients see it (api.md, Auth). */
export const UserView = Type.Object({
  id: Id,
  email: Type.String(),
  name: Type.String(),
  image: Type.Union([Type.String(), Type.Null()]),
  role: Type.Enum(userRoles),
  emailVerified: Type.Boolean(),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
})
export type UserView = Static<typeof UserView>

/** The session as clients see it; the token itself is never part of it. */
export const SessionView = Type.Object({
  id: Id,
  userId: Id,
  expiresAt: Type.String({ format: 'date-time' }),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
  ipAddress: Type.Union([Type.String(), Type.Null()]),
  userAgent: Type.Union([Type.String(), Type.Null()]),
})
export type SessionView = Static<typeof SessionView>

const Email = Type.String({
  minLength: 3,
  maxLength: 254,
  pattern: '^\\P{Cc}*$',
  examples: ['ada@example.com'],
})
const Password = Type.String({ minLength: 8, maxLength: 256, examples: ['correct horse battery'] })
/** A path on the caller's own site: anything else would send people away from it. */
const CallbackPath = Type.String({ maxLength: 2048, pattern: '^/(?![/\\\\])\\P{Cc}*$' })

/** Passwords are 8 to 256 characters; the email is stored trimmed and in lower case. */
export const SignUp = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^\\P{Cc}*\\S\\P{Cc}*$',
      examples: ['Ada'],
    }),
    email: Email,
    password: Password,
    image: Type.Optional(Type.String({ maxLength: 2048, pattern: '^https://[^\\s\\p{Cc}]+$' })),
    callbackURL: Type.Optional(CallbackPath),
    rememberMe: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type SignUp = Static<typeof SignUp>

export const SignIn = Type.Object(
  {
    email: Email,
    password: Password,
    callbackURL: Type.Optional(CallbackPath),
    rememberMe: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type SignIn = Static<typeof SignIn>
