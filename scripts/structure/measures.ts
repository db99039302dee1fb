import { isFunction, lineAt, linesSpanned } from './syntax.ts'
import { folderOf, type SourceFile, type Workspace } from './workspace.ts'

/** The numbers of one package. */
export interface Measures {
  readonly folder: string
  readonly files: number
  readonly lines: number
  readonly fileMedian: number
  readonly fileP95: number
  readonly functionP95: number
  readonly functionMax: number
  /** Lines of comment in each hundred. */
  readonly commentPercent: number
  /** `as` casts in each thousand lines, without `as const`. */
  readonly castsPerThousand: number
}

/** One row for each package, and one for `scripts` and `docs`. */
export function measure(workspace: Workspace): Measures[] {
  const byFolder = Map.groupBy(workspace.files, file => folderOf(file.path))
  return [...byFolder].map(([folder, files]) => measureFiles(folder, files))
}

function measureFiles(folder: string, files: readonly SourceFile[]): Measures {
  const fileLines = files.map(lineCount)
  const functionLines = files.flatMap(functionLengths)
  const lines = sum(fileLines)
  return {
    folder,
    files: files.length,
    lines,
    fileMedian: percentile(fileLines, 50),
    fileP95: percentile(fileLines, 95),
    functionP95: percentile(functionLines, 95),
    functionMax: Math.max(0, ...functionLines),
    commentPercent: (100 * sum(files.map(commentLines))) / Math.max(lines, 1),
    castsPerThousand: (1000 * sum(files.map(castCount))) / Math.max(lines, 1),
  }
}

export function lineCount(file: SourceFile): number {
  return file.text.endsWith('\n') ? file.lineStarts.length - 1 : file.lineStarts.length
}

function functionLengths(file: SourceFile): number[] {
  return file.visits
    .filter(({ node }) => isFunction(node) && node.body?.type === 'BlockStatement')
    .map(({ node }) => linesSpanned(file, node))
}

function commentLines(file: SourceFile): number {
  const lines = file.comments.map(
    comment => lineAt(file, comment.end - 1) - lineAt(file, comment.start) + 1,
  )
  return sum(lines)
}

function castCount(file: SourceFile): number {
  return file.visits.filter(({ node }) => node.type === 'TSAsExpression' && !isConst(file, node))
    .length
}

/** True for `as const`, which only narrows. */
function isConst(file: SourceFile, node: { start: number; end: number }): boolean {
  return /\bas const$/.test(file.text.slice(node.start, node.end))
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
