const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** A moment as the reader's language writes it. */
export function formatTime(moment: string): string {
  return time.format(new Date(moment))
}

/** An amount in the smallest unit of its currency, as people write it. */
export function formatPrice({ cents, currency }: { cents: number; currency: string }): string {
  const format = new Intl.NumberFormat(undefined, { style: 'currency', currency })
  const { maximumFractionDigits: digits = 2 } = format.resolvedOptions()
  return format.format(cents / 10 ** digits)
}
