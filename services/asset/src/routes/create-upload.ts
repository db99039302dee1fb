import { beginUpload, type UploadDeps } from '@funmagic/asset/uploads'
import { CreateUpload, UploadTicket } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { hashRequest, IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'
import type { QuotaOf } from '../quotas.ts'
import { reportRejection } from '../upload-events.ts'

interface CreateUploadDeps extends Omit<UploadDeps, 'quota'> {
  readonly quotaOf: QuotaOf
  readonly events: Events
}

/** A ticket for one file: the owner, the place, the type and the size are fixed here (U1). */
export const createUpload: RoutePlugin<CreateUploadDeps> = async (app, deps) => {
  const reportRejected = (error: unknown) => reportRejection(deps.events, 'ticket', error)

  app.post(
    '/api/assets/uploads',
    {
      config: { rateLimit: 'upload' },
      onError: async (_request, _reply, error) => reportRejected(error),
      schema: {
        summary: 'Ask for a ticket to upload a picture',
        description:
          'Send the bytes to the ticket’s address with exactly its headers, then complete the ' +
          'upload. The address takes the bytes once: 412 says that they are there already. A ' +
          'large file may be sent in parts instead.',
        headers: IdempotencyHeaders,
        body: CreateUpload,
        response: {
          201: UploadTicket,
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'UNAUTHORIZED',
            'ACCOUNT_SUSPENDED',
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
      const { body } = request
      const userId = userOf(request).id
      const key = request.headers['idempotency-key']
      const idempotency = key === undefined ? undefined : { key, requestHash: hashRequest(body) }

      const quota = await deps.quotaOf(userId)
      const ticket = await beginUpload({ ...deps, quota }, { userId, body, idempotency })

      deps.events.uploadBegun({ uploadId: ticket.uploadId, userId, requestId: request.id })
      return reply.code(201).send(ticket)
    },
  )
}
