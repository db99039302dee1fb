import { beginUpload, type UploadDeps } from '@funmagic/asset/uploads'
import { CreateUpload, UploadTicket } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { hashRequest, IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'

/** A ticket for one file: the owner, the place, the type and the size are fixed here (U1). */
export const createUpload: RoutePlugin<UploadDeps & { events: Events }> = async (app, deps) => {
  app.post(
    '/api/assets/uploads',
    {
      config: { rateLimit: 'upload' },
      schema: {
        summary: 'Get a ticket to upload a picture',
        headers: IdempotencyHeaders,
        body: CreateUpload,
        response: {
          201: UploadTicket,
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'UNAUTHORIZED',
            'PAYLOAD_TOO_LARGE',
            'QUOTA_EXCEEDED',
            'UNSUPPORTED_MEDIA_TYPE',
            'IDEMPOTENCY_MISMATCH',
            'RATE_LIMITED',
          ),
        },
      },
    },
    async (request, reply) => {
      const { body, headers } = request
      const key = headers['idempotency-key']
      const idempotency = key === undefined ? undefined : { key, requestHash: hashRequest(body) }
      const ticket = await beginUpload(deps, { userId: userOf(request).id, body, idempotency })
      deps.events.ticketIssued()
      reply.code(201)
      return ticket
    },
  )
}
