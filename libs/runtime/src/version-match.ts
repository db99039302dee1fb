import { AppError } from '@funmagic/contract/problem'

/**
 * The version that a change is based on, from the body or from If-Match (`"3"`). Throws
 * VALIDATION_FAILED when neither says it, VERSION_CONFLICT for an If-Match that names none of ours
 * or another one than the body.
 */
export function readBasedOn(ifMatch: string | undefined, version: number | undefined): number {
  if (ifMatch === undefined) {
    if (version !== undefined) return version
    const suggestion = 'Give the version that you have read, here or as If-Match.'
    throw new AppError('VALIDATION_FAILED', {
      details: { in: 'body', field: 'version', suggestion },
    })
  }
  const named = Number(/^"(\d{1,9})"$/.exec(ifMatch)?.[1])
  if (!Number.isSafeInteger(named) || (version !== undefined && version !== named)) {
    throw new AppError('VERSION_CONFLICT')
  }
  return named
}

/** The ETag of a version, which If-Match repeats. */
export function etagOf({ version }: { readonly version: number }): string {
  return `"${version}"`
}
