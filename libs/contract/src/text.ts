/**
 * True when Postgres can store the text: no NUL (error 22021) and no lone surrogate.
 * Every request body, query and path is checked with it before a handler runs.
 */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
