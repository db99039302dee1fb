import { BasedOn, Reason } from '@funmagic/contract/admin-event'
import { AppError, problems } from '@funmagic/contract/problem'
import { RateLimitSettings } from '@funmagic/contract/rate-limit'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { etagOf, readBasedOn } from '@funmagic/runtime/version-match'
import { recordChange } from '@funmagic/session/admin-events'
import {
  changeRateLimitSettings,
  readRateLimitSettings,
  type StoredRateLimits,
} from '@funmagic/session/rate-limit-settings'
import { requireRole, userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'

interface SettingsDeps {
  readonly database: Database
  readonly events: Events
  /** After the commit: every process asks Postgres again. */
  readonly forgetSettings: () => Promise<void>
}

const SettingsView = Type.Object({
  rateLimits: RateLimitSettings,
  version: Type.Integer(),
  updatedAt: Type.String({ format: 'date-time' }),
})

const ChangeSettings = Type.Object(
  {
    rateLimits: RateLimitSettings,
    version: Type.Optional(BasedOn),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
)

export const getSettings: RoutePlugin<SettingsDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/settings',
    {
      onRequest: requireRole('admin'),
      schema: {
        summary: 'The rate limits; the ETag is their version',
        response: { 200: SettingsView, ...problems('UNAUTHORIZED', 'FORBIDDEN') },
      },
    },
    async (_request, reply) => {
      const stored = await readRateLimitSettings(database)
      reply.header('etag', etagOf(stored))
      return toView(stored)
    },
  )
}

export const changeSettings: RoutePlugin<SettingsDeps> = async (app, deps) => {
  app.put(
    '/api/admin/settings',
    {
      onRequest: requireRole('super_admin'),
      schema: {
        summary: 'Change the rate limits; they hold everywhere within seconds',
        headers: Type.Object({ 'if-match': Type.Optional(Type.String({ maxLength: 100 })) }),
        body: ChangeSettings,
        response: {
          200: SettingsView,
          ...problems('VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN', 'VERSION_CONFLICT'),
        },
      },
    },
    async (request, reply) => {
      const { rateLimits: settings, version: named, reason } = request.body
      const version = readBasedOn(request.headers['if-match'], named)
      requireTiers(settings)
      const { id, role } = userOf(request)
      const change = { action: 'settings.updated', subjectType: 'settings', reason } as const
      const occasion = { ...change, actor: { id, role }, requestId: request.id }
      await inTransaction(deps.database, tx =>
        recordChange(tx, occasion, async () => {
          const { before, after } = await changeRateLimitSettings(tx, { settings, version })
          return { subjectId: 'rate_limits', before: toView(before), after: toView(after) }
        }),
      )
      await deps.forgetSettings()
      deps.events.settingsChanged({ requestId: request.id, userId: id })
      const stored = await readRateLimitSettings(deps.database)
      reply.header('etag', etagOf(stored))
      return toView(stored)
    },
  )
}

function toView({ settings, version, updatedAt }: StoredRateLimits) {
  return { rateLimits: settings, version, updatedAt: updatedAt.toISOString() }
}

/** Everybody is in exactly one tier: one begins at nothing, and no two begin together. */
function requireTiers({ tiers }: RateLimitSettings): void {
  const begins = tiers.map(tier => tier.minPurchased)
  const names = tiers.map(tier => tier.name)
  const faults = tiers.flatMap((tier, place) => [
    ...(begins.indexOf(tier.minPurchased) === place
      ? []
      : [fault(`/rateLimits/tiers/${place}/minPurchased`, 'Another tier begins there.')]),
    ...(names.indexOf(tier.name) === place
      ? []
      : [fault(`/rateLimits/tiers/${place}/name`, 'Another tier has this name.')]),
  ])
  if (!begins.includes(0)) faults.push(fault('/rateLimits/tiers', 'One tier must begin at 0.'))
  const [first] = faults
  if (first === undefined) return
  const field = first.pointer.slice(1).replaceAll('/', '.')
  const details = { in: 'body', field, suggestion: first.message, faults }
  throw new AppError('VALIDATION_FAILED', { details })
}

function fault(pointer: string, message: string) {
  return { pointer, message }
}
