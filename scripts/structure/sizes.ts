import { fail, warn, warnAt, type Finding } from './findings.ts'
import { lineCount, measure } from './measures.ts'
import { functionName, isFunction, linesSpanned, type FunctionNode, type Visit } from './syntax.ts'
import type { SourceFile, Workspace } from './workspace.ts'

const fileLinesMax = 400
const componentLinesMax = 300
const functionLinesMax = 60
const parametersMax = 4
const columnsMax = 100
const dependencyFieldsMax = 8
const medianFileLinesMax = 100
const p95FileLinesMax = 250
const p95FunctionLinesMax = 40
const castsPerThousandMax = 2
const commentPercentRange = { min: 2, max: 20 }

/** Smells 1, 2, 3, 23 and 24: what is too long or too wide. */
export function checkSizes(workspace: Workspace): Finding[] {
  return [...workspace.files.flatMap(checkFile), ...checkPackages(workspace)]
}

function checkFile(file: SourceFile): Finding[] {
  return [
    ...checkFileLength(file),
    ...checkColumns(file),
    ...file.visits.flatMap(visit => [
      ...checkFunction(file, visit),
      ...checkDependencyFields(file, visit),
    ]),
  ]
}

function checkFileLength(file: SourceFile): Finding[] {
  const max = file.path.endsWith('.vue') ? componentLinesMax : fileLinesMax
  const lines = lineCount(file)
  return lines > max ? [fail(file, 0, 'file-length', `${lines} lines, at most ${max}`)] : []
}

/** A line that only carries an address may be longer: an address can't be broken. */
function checkColumns(file: SourceFile): Finding[] {
  return file.text.split('\n').flatMap((line, index) => {
    const columns = Array.from(line).length
    if (columns <= columnsMax || /^\s*(\/\/|\*|\/\*\*)?\s*\S*https?:\/\/\S+$/.test(line)) return []
    const message = `${columns} columns, at most ${columnsMax}`
    return [fail(file, file.lineStarts[index] ?? 0, 'line-width', message)]
  })
}

function checkFunction(file: SourceFile, visit: Visit): Finding[] {
  const { node } = visit
  if (!isFunction(node)) return []
  const name = functionName(visit) ?? 'a callback'
  const findings: Finding[] = []
  const lines = linesSpanned(file, node)
  if (lines > functionLinesMax) {
    const message = `${name} has ${lines} lines, at most ${functionLinesMax}`
    findings.push(fail(file, node.start, 'function-length', message))
  }
  if (node.params.length > parametersMax) {
    const message = `${name} takes ${node.params.length} parameters, at most ${parametersMax}`
    findings.push(fail(file, node.start, 'parameters', message))
  }
  const type = functionName(visit) === undefined ? undefined : adjacentPrimitive(node)
  if (type) {
    const message = `${name} takes two ${type}s side by side: pass an object`
    findings.push(warn(file, node.start, 'adjacent-parameters', message))
  }
  return findings
}

const primitives: Readonly<Record<string, string>> = {
  TSStringKeyword: 'string',
  TSNumberKeyword: 'number',
  TSBooleanKeyword: 'boolean',
  TSBigIntKeyword: 'bigint',
}

function adjacentPrimitive(node: FunctionNode): string | undefined {
  const types = node.params.map(parameter => {
    const annotation = 'typeAnnotation' in parameter ? parameter.typeAnnotation : undefined
    return annotation ? primitives[annotation.typeAnnotation.type] : undefined
  })
  return types.find((type, index) => type !== undefined && type === types[index + 1])
}

function checkDependencyFields(file: SourceFile, { node }: Visit): Finding[] {
  const fields =
    node.type === 'TSInterfaceDeclaration'
      ? node.body.body
      : node.type === 'TSTypeAliasDeclaration' && node.typeAnnotation.type === 'TSTypeLiteral'
        ? node.typeAnnotation.members
        : undefined
  if (!fields || !('id' in node) || node.id?.type !== 'Identifier') return []
  if (!/(Deps|Context)$/.test(node.id.name) || fields.length <= dependencyFieldsMax) return []
  const message = `${node.id.name} has ${fields.length} fields, at most ${dependencyFieldsMax}`
  return [fail(file, node.start, 'dependency-fields', message)]
}

function checkPackages(workspace: Workspace): Finding[] {
  return measure(workspace).flatMap(row => {
    const over = [
      { is: row.fileMedian > medianFileLinesMax, what: `median file ${row.fileMedian} lines` },
      { is: row.fileP95 > p95FileLinesMax, what: `p95 of files ${row.fileP95} lines` },
      { is: row.functionP95 > p95FunctionLinesMax, what: `p95 function ${row.functionP95} lines` },
      {
        is: row.castsPerThousand > castsPerThousandMax,
        what: `${row.castsPerThousand.toFixed(1)} casts in 1,000 lines`,
      },
      {
        is: row.commentPercent < commentPercentRange.min,
        what: `${row.commentPercent.toFixed(1)} % of lines are comments`,
      },
      {
        is: row.commentPercent > commentPercentRange.max,
        what: `${row.commentPercent.toFixed(1)} % of lines are comments`,
      },
    ]
    return over
      .filter(({ is }) => is)
      .map(({ what }) => warnAt(row.folder, 'package-measure', what))
  })
}
