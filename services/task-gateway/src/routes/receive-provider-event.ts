import { Id } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import { recordEvent } from '@funmagic/provider/provider-events'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import Type from 'typebox'
import { joinEvent, type JoinDeps } from '../join-event.ts'
import { isProviderType, readEvent, type WebhookVerifiers } from '../provider-webhooks.ts'

export interface ReceiveDeps extends JoinDeps {
  readonly verifiers: WebhookVerifiers
}

const bodyBytesMax = 1_048_576
const Received = Type.Object({
  status: Type.Enum(['joined', 'parked', 'duplicate', 'ignored']),
})

/**
 * Where providers say that a call is over. The signature is checked over the bytes as they came;
 * each event has its effect once, however often it is delivered. An event without its call (it
 * may come before the provider has answered us) is parked, and joined by the sweep.
 */
export const receiveProviderEvent: RoutePlugin<ReceiveDeps> = async (app, deps) => {
  app.removeAllContentTypeParsers()
  const raw = { parseAs: 'buffer', bodyLimit: bodyBytesMax } as const
  app.addContentTypeParser('application/json', raw, (_request, body, done) => done(null, body))
  app.post(
    '/api/webhooks/providers/:provider',
    {
      schema: {
        summary: 'A provider’s webhook',
        params: Type.Object({ provider: Type.String({ maxLength: 64 }) }),
        querystring: Type.Object({ call: Type.Optional(Id) }, { additionalProperties: false }),
        response: { 200: Received, 202: Received, ...webhookProblems },
      },
    },
    async (request, reply) => {
      const { provider } = request.params
      const verify = isProviderType(provider) ? deps.verifiers[provider] : undefined
      if (!isProviderType(provider) || verify === undefined) throw new AppError('NOT_FOUND')
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const eventId = await verify({ headers: request.headers, body, nowMs: Date.now() })
      if (eventId === undefined) throw new AppError('INVALID_SIGNATURE')

      const about = readEvent(provider, body)
      if (about === undefined) return { status: 'ignored' as const }
      const event = { provider, eventId, callId: request.query.call, ...about }
      const id = await recordEvent(deps.database, { ...event, body })
      if (id === undefined) return { status: 'duplicate' as const }
      if (await joinEvent(deps, { ...event, id })) return { status: 'joined' as const }
      reply.code(202)
      return { status: 'parked' as const }
    },
  )
}

const webhookProblems = problems(
  'VALIDATION_FAILED',
  'INVALID_SIGNATURE',
  'NOT_FOUND',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
)
