/** One line of a service's log as a person wants to see it. */
export interface LogLine {
  readonly level: number
  readonly text: string
}

export const warnLevel = 40
const infoLevel = 30
const levelNames: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}
const hidden = new Set(['level', 'time', 'service', 'msg', 'pid', 'hostname', 'v', 'err', 'stack'])
const valueCharsMax = 200
const framesMax = 4

/** Reads a JSON line of pino; a line of another form counts as level `info`. */
export function readLogLine(line: string): LogLine {
  const entry = parseObject(line)
  if (entry === undefined) return { level: infoLevel, text: line }
  const level = typeof entry['level'] === 'number' ? entry['level'] : infoLevel
  const message = typeof entry['msg'] === 'string' ? entry['msg'] : ''
  const details = Object.entries(entry)
    .filter(([name]) => !hidden.has(name))
    .map(([name, value]) => `${name}=${describe(value)}`)
  const parts = [levelNames[level] ?? String(level), message, ...details]
  return { level, text: parts.filter(part => part !== '').join(' ') + excerptOf(entry, level) }
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(line)
    // A line that begins with a brace and parses is an object.
    return value as Record<string, unknown>
  } catch {
    // Half a line of a process that was killed is shown as it is.
    return undefined
  }
}

function describe(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > valueCharsMax ? `${text.slice(0, valueCharsMax)}…` : text
}

/** What failed: of a warning one line, of an error also where; the log file has all of it. */
function excerptOf(entry: Record<string, unknown>, level: number): string {
  const error = entry['err']
  const source = typeof error === 'object' && error !== null ? error : entry
  const stack: unknown = Reflect.get(source, 'stack')
  if (typeof stack !== 'string') return ''
  const [first = '', ...frames] = stack.split('\n')
  if (level <= warnLevel) return `: ${first}`
  return `\n    ${[first, ...frames.slice(0, framesMax)].join('\n    ')}`
}
