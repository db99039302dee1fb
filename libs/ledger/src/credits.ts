import assert from 'node:assert/strict'

/** The largest single entry; far below 2^53, so that a sum of entries stays exact (M15). */
export const entryCreditsMax = 1_000_000_000

/** The largest reservation: the largest price of a task (M15). */
export const reservationCreditsMax = 1_000_000

/** Fails unless the amount is a whole number of credits between 1 and the bound. */
export function assertCredits(credits: number, max: number = entryCreditsMax): void {
  assert(Number.isSafeInteger(credits), `credits must be a whole number, got ${credits}`)
  assert(credits >= 1 && credits <= max, `credits must be within 1 and ${max}, got ${credits}`)
}

/** Reads an amount such as "250"; undefined for anything that is not a whole, safe number. */
export function parseCredits(text: string): number | undefined {
  if (!/^-?\d{1,16}$/.test(text)) return undefined
  const credits = Number(text)
  return Number.isSafeInteger(credits) ? credits : undefined
}
