import { fail, failAt, type Finding } from './findings.ts'
import { isNamed, literalText, memberName } from './syntax.ts'
import { isProduct, type SourceFile, type Workspace } from './workspace.ts'
import type { Node } from 'oxc-parser'

interface Table {
  readonly table: string
  /** The name of its model on the Prisma client, such as `creditTransaction`. */
  readonly accessor: string
  readonly owners: readonly string[]
}

const afterKeyword = /\b(?:FROM|JOIN|INTO|UPDATE|TRUNCATE|TABLE|ONLY)\s+"?([a-z_]+)"?/g
const statementStart = /\b(SELECT|INSERT|UPDATE|DELETE|TRUNCATE|WITH|MERGE)\b/

/**
 * Smell 13: a table is touched by its owner only. The first comment of each Prisma schema file
 * names the owners: `// Written by libs/session and services/auth`.
 */
export function checkTables(workspace: Workspace): Finding[] {
  const schemas = workspace.schemas.map(schema => ({ ...schema, tables: tablesOf(schema.text) }))
  const tables = schemas.flatMap(schema => schema.tables)
  const unowned = schemas
    .filter(schema => schema.tables.some(({ owners }) => owners.length === 0))
    .map(({ path }) => failAt(path, 'table-owner', 'begin the file with “// Written by libs/…”'))
  const files = workspace.files.filter(
    ({ path }) => isProduct(path) && !path.startsWith('libs/database/'),
  )
  return [...unowned, ...files.flatMap(file => checkFile(file, tables))]
}

function tablesOf(schema: string): Table[] {
  const sentence = /^\/\/ Written by ([^(.\n]*)/m.exec(schema)?.[1] ?? ''
  const owners = sentence.match(/\b(libs|services)\/[a-z-]+/g) ?? []
  return Array.from(schema.matchAll(/^model (\w+) \{([\s\S]*?)^\}/gm), match => {
    const [, model = '', body = ''] = match
    return {
      table: /@@map\("(\w+)"\)/.exec(body)?.[1] ?? model,
      accessor: model.charAt(0).toLowerCase() + model.slice(1),
      owners,
    }
  })
}

function checkFile(file: SourceFile, tables: readonly Table[]): Finding[] {
  return file.visits.flatMap(({ node }) =>
    touched(node, tables)
      .filter(({ owners }) => owners.length > 0)
      .filter(({ owners }) => !owners.some(owner => file.path.startsWith(`${owner}/`)))
      .map(({ table, owners }) =>
        fail(file, node.start, 'table-owner', `${table} belongs to ${owners.join(' and ')}`),
      ),
  )
}

function touched(node: Node, tables: readonly Table[]): Table[] {
  const member = memberName(node)
  if (member) {
    const isClient =
      isNamed(member.object, 'prisma') || memberName(member.object)?.property === 'prisma'
    return isClient ? tables.filter(({ accessor }) => accessor === member.property) : []
  }
  const text = literalText(node)
  if (text === undefined || !statementStart.test(text)) return []
  const names = new Set(Array.from(text.matchAll(afterKeyword), match => match[1]))
  return tables.filter(({ table }) => names.has(table))
}
