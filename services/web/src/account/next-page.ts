/** A page of this site that somebody wanted before signing in; anything else is the first page. */
export function pageAfter(wanted: unknown): string {
  const isOwn = typeof wanted === 'string' && /^\/(?![/\\])\P{Cc}*$/u.test(wanted)
  return isOwn ? wanted : '/'
}
