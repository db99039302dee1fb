import type { Parser, Result } from 'tap-parser'

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export interface Failure {
  /** The way to the assertion: file, test, assertion. */
  readonly path: readonly string[]
  readonly diagnosis: Readonly<Record<string, unknown>>
}

/** A test, or the file around tests; made from one level of TAP. */
export interface TestNode {
  readonly name: string
  readonly children: readonly TestNode[]
  readonly failures: readonly Failure[]
  readonly counts: Counts
}

const failuresPerTestMax = 20

/**
 * Follows one level of TAP and calls `onTest` as each subtest ends. What counts as a test is the
 * innermost titled subtest, not an assertion; a file without subtests is one test; a test or file
 * that fails by itself, as by a crash or a timeout, counts as failed even where its subtests pass.
 */
export function followTap(parser: Parser, onTest: (test: TestNode) => void): void {
  followLevel(parser, [], (level, point) => {
    if (level) onTest(conclude(level, point, []))
  })
}

interface Level {
  readonly parser: Parser
  readonly name: string
  readonly children: TestNode[]
  readonly failures: Failure[]
  asserted: number
  skipped: number
}

function followLevel(
  parser: Parser,
  path: readonly string[],
  onPoint: (level: Level | undefined, point: Result) => void,
): void {
  let latest: Level | undefined
  parser.on('child', (child: Parser) => {
    const level = { ...emptyLevel(), parser: child, name: child.name }
    latest = level
    const childPath = [...path, child.name]
    followLevel(child, childPath, (inner, point) => {
      if (inner) level.children.push(conclude(inner, point, childPath))
      else record(level, point, childPath)
    })
  })
  parser.on('assert', (point: Result) => {
    onPoint(latest?.parser.closingTestPoint === point ? latest : undefined, point)
  })
}

function emptyLevel(): Omit<Level, 'parser' | 'name'> {
  return { children: [], failures: [], asserted: 0, skipped: 0 }
}

function record(level: Level, point: Result, path: readonly string[]): void {
  // After an error out of turn, tap closes the test that failed a second time.
  if (level.children.some(({ name, counts }) => name === point.name && counts.failed > 0)) return
  level.asserted++
  if (isSkipped(point)) level.skipped++
  else if (!point.ok && level.failures.length < failuresPerTestMax) {
    level.failures.push({ path: [...path, point.name], diagnosis: diagnosisOf(point) })
  }
}

function conclude(level: Level, point: Result, path: readonly string[]): TestNode {
  const inner = sumCounts(level.children.map(child => child.counts))
  const isFailed = !point.ok && !isSkipped(point)
  const isOwnFailure = isFailed && (level.failures.length > 0 || inner.failed === 0)
  const isUnexplained = isOwnFailure && level.failures.length === 0
  const own = { path: [...path, level.name], diagnosis: diagnosisOf(point) }
  return {
    name: level.name,
    children: level.children,
    failures: [
      ...level.children.flatMap(child => child.failures),
      ...level.failures,
      ...(isUnexplained ? [own] : []),
    ],
    counts: countLevel(level, { inner, isFailed, isOwnFailure }),
  }
}

interface Verdict {
  readonly inner: Counts
  readonly isFailed: boolean
  readonly isOwnFailure: boolean
}

/** A test that is skipped by an option has no level of its own: it is a point of its parent. */
function countLevel(level: Level, { inner, isFailed, isOwnFailure }: Verdict): Counts {
  if (level.children.length > 0) {
    const failed = inner.failed + (isOwnFailure ? 1 : 0)
    return { ...inner, failed, skipped: inner.skipped + level.skipped }
  }
  if (isFailed) return { passed: 0, failed: 1, skipped: level.skipped }
  if (level.skipped < level.asserted) return { passed: 1, failed: 0, skipped: 0 }
  return { passed: 0, failed: 0, skipped: Math.max(1, level.skipped) }
}

function isSkipped(point: Result): boolean {
  return point.skip !== false || point.todo !== false
}

function diagnosisOf(point: Result): Record<string, unknown> {
  const diagnosis: unknown = point.diag
  if (typeof diagnosis !== 'object' || diagnosis === null) return {}
  return Object.fromEntries(Object.entries(diagnosis))
}

export function sumCounts(all: readonly Counts[]): Counts {
  return all.reduce(
    (sum, counts) => ({
      passed: sum.passed + counts.passed,
      failed: sum.failed + counts.failed,
      skipped: sum.skipped + counts.skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  )
}
