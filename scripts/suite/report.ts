import { inspect } from 'node:util'
import type { Counts, Failure } from './tap-outcome.ts'

const valueCharsMax = 8_000
const notShown = new Set(['at', 'source', 'stack', 'diff', 'compare', 'stdio', 'cwd', 'args'])

/** One failed test as a person reads it: where, what differed, and the rest of the diagnosis. */
export function describeFailure({ path, diagnosis }: Failure): string {
  const { diff, stack } = diagnosis
  const rest = Object.entries(diagnosis).filter(([key]) => !notShown.has(key))
  const parts = [
    `✗ ${path.join(' › ')}`,
    placeOf(diagnosis['at']),
    ...rest.map(([key, value]) => `${key}: ${textOf(value)}`),
    typeof diff === 'string' ? diff : '',
    typeof stack === 'string' ? stack : '',
  ]
  return parts
    .filter(part => part !== '')
    .map((part, index) => (index === 0 ? part : part.trimEnd().replace(/^/gm, '    ')))
    .join('\n')
}

function placeOf(at: unknown): string {
  if (typeof at !== 'object' || at === null) return ''
  const { fileName, lineNumber, columnNumber } = { ...emptyPlace, ...at }
  return fileName === '' ? '' : `at ${fileName}:${lineNumber}:${columnNumber}`
}

const emptyPlace = { fileName: '', lineNumber: 0, columnNumber: 0 }

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : inspect(value, { depth: 6 })
  return text.length > valueCharsMax ? `${text.slice(0, valueCharsMax)} …` : text
}

/** The last line of every run. */
export function describeCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

export function describeSeconds(seconds: number): string {
  return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`
}
