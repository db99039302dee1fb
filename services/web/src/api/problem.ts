import type { ProblemCode } from '@funmagic/contract/problem'

/** What the platform says about a request, and what happens on the way to it. */
export type ApiProblemCode = ProblemCode | 'OFFLINE' | 'UNREADABLE'

/** A request that did not work, with what its person can do about it. */
export class ApiProblem extends Error {
  readonly code: ApiProblemCode
  readonly suggestion: string | undefined
  /** The part of the body that is wrong, such as `input.prompt`. */
  readonly field: string | undefined
  readonly requestId: string | undefined

  constructor(
    code: ApiProblemCode,
    message: string,
    more: { suggestion?: unknown; field?: unknown; requestId?: unknown; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause })
    this.name = 'ApiProblem'
    this.code = code
    this.suggestion = textOf(more.suggestion)
    this.field = textOf(more.field)
    this.requestId = textOf(more.requestId)
  }
}

/** Of whatever was thrown, the problem to show. */
export function toProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  return new ApiProblem('INTERNAL_ERROR', 'Something went wrong on this page.', { cause: error })
}

/** Reads the body of a reply that is not a success, whoever on the way has written it. */
export async function readProblem(response: Response): Promise<ApiProblem> {
  const requestId = response.headers.get('x-request-id') ?? undefined
  try {
    // The form of every problem (libs/contract/src/problem.ts); other bodies fail below.
    const { error } = (await response.json()) as {
      error: { code: ApiProblemCode; message: string; details: Record<string, unknown> | null }
    }
    return new ApiProblem(error.code, error.message, { requestId, ...error.details })
  } catch (cause) {
    const message = `The platform answered ${response.status} and did not say why.`
    return new ApiProblem('UNREADABLE', message, { requestId, cause })
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
