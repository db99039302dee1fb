// Holds the whole tree against the house style: `node scripts/check-structure.ts [root]`.
import { join } from 'node:path'
import { checkStructure } from './structure/check.ts'
import type { Finding } from './structure/findings.ts'
import type { Measures } from './structure/measures.ts'

const { findings, measures } = checkStructure(process.argv[2] ?? join(import.meta.dirname, '..'))
for (const finding of findings) console.log(lineOf(finding))
console.log(tableOf(measures))
const failures = findings.filter(({ severity }) => severity === 'fail').length
console.log(`\n${failures} to fix, ${findings.length - failures} warnings`)
process.exitCode = failures > 0 ? 1 : 0

function lineOf({ path, line, rule, message, severity }: Finding): string {
  const mark = severity === 'warn' ? ' (warning)' : ''
  return `${path}:${line} ${rule}${mark} ${message}`
}

function tableOf(rows: readonly Measures[]): string {
  const columns: readonly [string, (row: Measures) => string][] = [
    ['package', row => row.folder],
    ['files', row => String(row.files)],
    ['lines', row => String(row.lines)],
    ['file median', row => String(row.fileMedian)],
    ['file p95', row => String(row.fileP95)],
    ['function p95', row => String(row.functionP95)],
    ['function max', row => String(row.functionMax)],
    ['comments %', row => row.commentPercent.toFixed(1)],
    ['casts /1000', row => row.castsPerThousand.toFixed(1)],
  ]
  const cells = [
    columns.map(([title]) => title),
    ...rows.map(row => columns.map(([, of]) => of(row))),
  ]
  const widths = columns.map((_, index) => Math.max(...cells.map(row => row[index]?.length ?? 0)))
  const lines = cells.map(row =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0
        return index === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  '),
  )
  return `\n${lines.join('\n')}`
}
