/** Tells the person at the terminal what is happening, with the seconds since the start. */
export interface Report {
  /** A line of the timeline. */
  tell(text: string): void
  /** A line about something that went wrong. */
  warn(text: string): void
  /** Text of its own form: addresses, tables, excerpts of logs. */
  print(text: string): void
}

interface Sink {
  readonly isTTY?: boolean | undefined
  write(text: string): unknown
}

const secondWidth = 6

export function createReport(sink: Sink, isColorWanted: boolean): Report {
  const startedAt = performance.now()
  const isColored = isColorWanted && sink.isTTY === true
  const paint = (code: number, text: string): string =>
    isColored ? `\u001b[${code}m${text}\u001b[0m` : text
  const stamp = (): string => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    return paint(dim, `${seconds.padStart(secondWidth)} s`)
  }
  return {
    tell: text => void sink.write(`${stamp()}  ${text}\n`),
    warn: text => void sink.write(`${stamp()}  ${paint(yellow, text)}\n`),
    print: text => void sink.write(`${text}\n`),
  }
}

const dim = 2
const yellow = 33

/** Runs the work and tells how long it took; what it returns may add to the line. */
export async function step<Result>(
  report: Report,
  title: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const startedAt = performance.now()
  const result = await work()
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  report.tell(`${title} (${seconds} s)`)
  return result
}
