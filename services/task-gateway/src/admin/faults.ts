import { AppError } from '@funmagic/contract/problem'

/** What is wrong with a body, and where (RFC 6901). */
export interface Fault {
  readonly pointer: string
  readonly message: string
}

/** Throws VALIDATION_FAILED with all of the faults, in the form of those of a schema. */
export function refuseFaults(faults: readonly Fault[]): void {
  const [first] = faults
  if (first === undefined) return
  const field = first.pointer.slice(1).replaceAll('/', '.')
  throw new AppError('VALIDATION_FAILED', {
    details: { in: 'body', field, suggestion: first.message, faults },
  })
}
