import { deployedModule } from '@funmagic/asset/object-keys'
import { beginUpload, type UploadDeps } from '@funmagic/asset/uploads'
import { UploadTicket } from '@funmagic/contract/asset'
import { CreatePlatformUpload } from '@funmagic/contract/platform-asset'
import { AppError, problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { hashRequest, IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'
import { reportRejection } from '../upload-events.ts'
import { platformUploads } from './upload-params.ts'

interface CreatePlatformUploadDeps extends UploadDeps {
  readonly events: Events
}

/** A ticket for a file of the platform: where it goes is fixed here, the rest is as for users. */
export const createPlatformUpload: RoutePlugin<CreatePlatformUploadDeps> = async (app, deps) => {
  const { events } = deps

  app.post(
    platformUploads.path,
    {
      config: { rateLimit: 'upload' },
      onError: async (_request, _reply, error) => reportRejection(events, 'ticket', error),
      schema: {
        summary: 'Ask for a ticket to upload a picture for everybody, or for audits',
        description:
          'With destination ops it becomes public at cdn for good, with audit it is for ' +
          'administrators only. Send the bytes and complete the upload as users do.',
        headers: IdempotencyHeaders,
        body: CreatePlatformUpload,
        response: {
          201: UploadTicket,
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'UNAUTHORIZED',
            'FORBIDDEN',
            'PAYLOAD_TOO_LARGE',
            'UNSUPPORTED_MEDIA_TYPE',
            'IDEMPOTENCY_MISMATCH',
            'RATE_LIMITED',
          ),
        },
      },
    },
    async (request, reply) => {
      const { destination, module: _module, auditType: _auditType, ...file } = request.body
      const body = { ...file, module: labelOf(request.body) }
      const userId = userOf(request).id
      const key = request.headers['idempotency-key']
      const requestHash = hashRequest({ destination, ...body })
      const idempotency = key === undefined ? undefined : { key, requestHash }

      const ticket = await beginUpload(deps, { userId, body, idempotency, destination })

      events.uploadBegun({ uploadId: ticket.uploadId, userId, requestId: request.id })
      return reply.code(201).send(ticket)
    },
  )
}

/** The module of an ops file or the audit type of an audit file; the other is a mistake. */
function labelOf({ destination, module, auditType }: CreatePlatformUpload): string {
  const [field, label, other] =
    destination === 'ops'
      ? (['module', module, auditType] as const)
      : (['auditType', auditType, module] as const)
  if (label === undefined || other !== undefined) {
    const suggestion = `With destination ${destination}, send ${field} and not the other.`
    throw new AppError('VALIDATION_FAILED', { details: { field, suggestion } })
  }
  if (destination === 'ops' && label === deployedModule) {
    const suggestion = `Deployments put the API's own pages under ${deployedModule}: take another.`
    throw new AppError('VALIDATION_FAILED', { details: { field, suggestion } })
  }
  return label
}
