// The form that HTML's input type=email takes, with at least two labels in the domain.
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const emailPattern = new RegExp(`^[a-z0-9.!#$%&'*+/=?^_\`{|}~-]{1,64}@${label}(?:\\.${label})+$`)
const lengthMax = 254

/**
 * The one form in which an address is stored and looked up: trimmed, lower case, ASCII; or
 * undefined when it is no address. Other letters are refused rather than folded, so two addresses
 * that look alike can't be two accounts; an internationalised domain is written in its xn-- form.
 */
export function canonicalEmail(text: string): string | undefined {
  const email = text.trim()
  // Checked before lower-casing: the Kelvin sign, for one, becomes an ASCII k.
  if (email.length > lengthMax || !isAscii(email)) return undefined
  const canonical = email.toLowerCase()
  return emailPattern.test(canonical) ? canonical : undefined
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text)
}
