const filenameLengthMax = 200

/**
 * The name a file is shown under. It is never part of a key or a header; it loses its folders,
 * control characters and the marks that turn the direction of writing, so that a list of names
 * reads as it is.
 */
export function cleanFilename(name: string): string {
  const last = name.normalize('NFC').split(/[/\\]/).at(-1) ?? ''
  const visible = last.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim()
  const short = Array.from(visible).slice(0, filenameLengthMax).join('').trim()
  return short === '' ? 'unnamed' : short
}
