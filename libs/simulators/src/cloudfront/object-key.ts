/**
 * The key of the object that a request path names, or undefined when the path names none that
 * this distribution delivers. The path is decoded once, as S3 does; everything that a file
 * system or a second decoding might read as another place is refused, so that no spelling of a
 * path leads out of the prefix.
 */
export function objectKeyOf(rawPath: string, prefix: string): string | undefined {
  if (!rawPath.startsWith(`/${prefix}`)) return undefined
  if (/%(?:2f|5c|00)/i.test(rawPath) || /[\\?#]/.test(rawPath)) return undefined
  const key = decode(rawPath.slice(1))
  if (key === undefined || /\p{Cc}/u.test(key)) return undefined
  const isPlain = key.split('/').every(part => part !== '' && part !== '.' && part !== '..')
  return isPlain && key.length > prefix.length ? key : undefined
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not proper percent-encoding, so it is no name of an object.
    return undefined
  }
}
