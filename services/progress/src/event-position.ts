/** A place in a stream, `{epochMs}-{n}`: n is dense, and a new stream is a new epoch. */
export interface EventPosition {
  readonly epoch: number
  readonly n: number
}

const pattern = /^(\d{1,16})-(\d{1,16})$/

/** Undefined for text that no stream ever sent: such a Last-Event-ID counts as none. */
export function parsePosition(id: string | undefined): EventPosition | undefined {
  const [, epoch, n] = pattern.exec(id ?? '') ?? []
  if (epoch === undefined || n === undefined) return undefined
  return { epoch: Number(epoch), n: Number(n) }
}

/** The id of a Last-Event-ID header, where it is one. */
export function readLastId(text: string | undefined): string | undefined {
  const position = parsePosition(text)
  return position === undefined || position.epoch === 0 ? undefined : text
}

/** How an event follows the last one that was sent. */
export function follows(
  last: EventPosition | undefined,
  next: EventPosition,
): 'next' | 'repeated' | 'gap' {
  if (last === undefined) return next.n === 1 ? 'next' : 'gap'
  if (last.epoch === next.epoch) {
    if (next.n <= last.n) return 'repeated'
    return next.n === last.n + 1 ? 'next' : 'gap'
  }
  return next.epoch < last.epoch ? 'repeated' : 'gap'
}
