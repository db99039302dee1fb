import Type, { type TSchema } from 'typebox'

interface ProblemKind {
  readonly status: number
  readonly message: string
}

/**
 * Every problem a client can meet: code, HTTP status, and the sentence it is told.
 * Codes are public API and are never renamed (requirements K2; seed 003, error handling).
 * Nothing else in the system decides a status.
 */
export const problemKinds = {
  INVALID_ID: { status: 400, message: 'The id in the path is not a valid id.' },
  INVALID_CURSOR: { status: 400, message: 'The cursor does not belong to this list.' },
  INVALID_JSON: { status: 400, message: 'The body is not valid JSON.' },
  INVALID_TEXT: {
    status: 400,
    message:
      'A text holds a character that cannot be stored, such as NUL or half a surrogate pair.',
  },
  VALIDATION_FAILED: { status: 400, message: 'The request does not have the documented form.' },
  BAD_REQUEST: { status: 400, message: 'The request cannot be understood.' },
  INVALID_IDEMPOTENCY_KEY: {
    status: 400,
    message: 'Idempotency-Key must be 1 to 255 printable ASCII characters.',
  },
  INVALID_QUOTE: {
    status: 400,
    message: 'The quoteToken is not one that we gave you. Ask for a new quote.',
  },
  URL_NOT_ALLOWED: {
    status: 400,
    message: 'This address may not be used. Give one with https and a public host name.',
  },
  UNSUPPORTED_INPUT: {
    status: 400,
    message: 'The model of this step cannot honour a part of the input.',
  },
  UNAUTHORIZED: { status: 401, message: 'Sign in first.' },
  INVALID_SIGNATURE: {
    status: 401,
    message: 'The signature is missing, wrong, or not of now.',
  },
  INVALID_EMAIL_OR_PASSWORD: { status: 401, message: 'The email or the password is wrong.' },
  SIGNATURE_INVALID: { status: 401, message: 'The signature does not fit this body and time.' },
  INSUFFICIENT_CREDITS: { status: 402, message: 'There are not enough credits for this.' },
  FORBIDDEN: { status: 403, message: 'Your role does not allow this.' },
  SECOND_PERSON_REQUIRED: {
    status: 403,
    message: 'Another super admin than the one who asked must approve this.',
  },
  ACCOUNT_SUSPENDED: {
    status: 403,
    message: 'This account is suspended. What is yours you can still look at, download and delete.',
  },
  FEATURE_OFF: {
    status: 403,
    message: 'This is not open to you at the moment. Try again later; all that is yours stays.',
  },
  PASSWORD_REQUIRED: {
    status: 403,
    message: 'This link has a password. Send it as `password`, once; then the proof you are given.',
  },
  PASSWORD_WRONG: { status: 403, message: 'The password of this link is another one.' },
  CSRF_REJECTED: {
    status: 403,
    message: 'Requests that change something must come from an allowed origin.',
  },
  NOT_FOUND: { status: 404, message: 'There is no such thing here.' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'This path does not take that method.' },
  CONFLICT: { status: 409, message: 'The thing is in a state that does not allow this.' },
  ALREADY_EXISTS: { status: 409, message: 'There is one of this name already. Choose another.' },
  IN_USE: { status: 409, message: 'Something still uses this. See details.' },
  UPLOAD_INCOMPLETE: { status: 409, message: 'The bytes have not been uploaded yet.' },
  ASSET_BYTES_MISSING: {
    status: 409,
    message: 'The bytes of this asset are missing from our store. Upload or make it again.',
  },
  ASSET_BUSY: { status: 409, message: 'The asset is being moved. Try again in a moment.' },
  TASK_FINISHED: { status: 409, message: 'The task has already finished.' },
  TOOL_INACTIVE: { status: 409, message: 'This tool is switched off.' },
  STEP_ORDER: { status: 409, message: 'The step before this one has not completed.' },
  USER_ALREADY_EXISTS: { status: 409, message: 'There is an account with this email already.' },
  QUOTE_EXPIRED: { status: 410, message: 'The quote has expired. Ask for a new one.' },
  TICKET_EXPIRED: { status: 410, message: 'The upload ticket has expired. Ask for a new one.' },
  VERSION_CONFLICT: {
    status: 412,
    message: 'It has changed since you read it. Read it again, and change that version.',
  },
  PAYLOAD_TOO_LARGE: { status: 413, message: 'The body is larger than allowed.' },
  QUOTA_EXCEEDED: { status: 413, message: 'This would exceed your storage quota.' },
  URI_TOO_LONG: { status: 414, message: 'The address is longer than allowed.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'This content type is not accepted.' },
  TYPE_MISMATCH: { status: 422, message: 'The bytes are not of the declared type.' },
  CHECKSUM_MISMATCH: { status: 422, message: 'The bytes do not match the declared checksum.' },
  IMAGE_INVALID: { status: 422, message: 'The picture cannot be read.' },
  IMAGE_TOO_LARGE: { status: 422, message: 'The picture has more pixels or frames than allowed.' },
  INVALID_INPUT: { status: 422, message: 'The tool cannot work with this input.' },
  QUOTE_MISMATCH: {
    status: 422,
    message: 'The quote is for another tool or step. Ask for a quote for this one.',
  },
  IDEMPOTENCY_MISMATCH: {
    status: 422,
    message: 'This Idempotency-Key was used with another body. Use a new key.',
  },
  RATE_LIMITED: { status: 429, message: 'Too many requests. Slow down.' },
  TOO_MANY_TASKS: { status: 429, message: 'You have as many unfinished tasks as allowed.' },
  TOO_MANY_SHARE_LINKS: {
    status: 429,
    message: 'You have as many live share links as allowed. Revoke one first.',
  },
  TOO_MANY_STREAMS: { status: 429, message: 'Too many streams are open for this user.' },
  INTERNAL_ERROR: { status: 500, message: 'Something went wrong on our side.' },
  QUEUE_FULL: { status: 503, message: 'Too many tasks are waiting. Try again a little later.' },
  OVERLOADED: { status: 503, message: 'The service is busy. Try again shortly.' },
  PAYMENTS_UNAVAILABLE: {
    status: 503,
    message: 'Credits cannot be bought at the moment. Try again later.',
  },
  PROVIDER_UNAVAILABLE: {
    status: 503,
    message: 'The AI provider of this tool is down. Try again later; nothing was charged.',
  },
  UNAVAILABLE: { status: 503, message: 'A part this needs is not available. Try again shortly.' },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof problemKinds

/** What a client may be told about a problem beyond its code: the field, and how to fix it. */
export interface ProblemDetails {
  readonly field?: string
  readonly suggestion?: string
  readonly [key: string]: unknown
}

/** A problem the caller can act on. Thrown anywhere; turned into a reply in one place only. */
export class AppError extends Error {
  readonly code: ProblemCode
  readonly details: ProblemDetails | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ProblemCode,
    options: { cause?: unknown; details?: ProblemDetails; retryAfterSeconds?: number } = {},
  ) {
    super(problemKinds[code].message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.details = options.details
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  get status(): number {
    return problemKinds[this.code].status
  }
}

/** The body of every reply that is not a success (seed 003, error format). */
export const Problem = Type.Object({
  error: Type.Object({
    code: Type.String({ examples: ['NOT_FOUND'] }),
    message: Type.String(),
    details: Type.Union([Type.Null(), Type.Record(Type.String(), Type.Unknown())]),
    requestId: Type.String(),
    timestamp: Type.String({ format: 'date-time' }),
  }),
})

/** Response schemas for the problems that a route can answer with, grouped by status. */
export function problems(...codes: ProblemCode[]): Record<number, TSchema> {
  const codesByStatus = new Map<number, ProblemCode[]>()
  for (const code of codes) {
    const status = problemKinds[code].status
    codesByStatus.set(status, [...(codesByStatus.get(status) ?? []), code])
  }
  const schemas: Record<number, TSchema> = {}
  for (const [status, statusCodes] of codesByStatus) {
    schemas[status] = { ...Problem, description: statusCodes.join(', ') }
  }
  return schemas
}
