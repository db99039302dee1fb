import { fail, failAt, type Finding } from './findings.ts'
import { folderOf, type SourceFile, type Workspace } from './workspace.ts'

const drawers = new Set(
  'utils util helpers helper common shared misc core base manager interfaces constants'.split(' '),
)
// Words of the domain in compound names, and drawers when they stand last or alone.
const drawersAtTheEnd = new Set(['index', 'service', 'services'])
const drawersAlone = new Set(['types'])
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config|d))?\.(ts|mjs)$/

/** Smells 8, 9 and 22, and named exports only. */
export function checkNames(workspace: Workspace): Finding[] {
  return [
    ...workspace.files.flatMap(file => [
      ...checkPath(file),
      ...checkBarrel(file),
      ...checkExports(file),
    ]),
    ...checkScripts(workspace),
  ]
}

function checkPath(file: SourceFile): Finding[] {
  const parts = file.path.replace(/^(libs|services)\//, '').split('/')
  const name = parts.at(-1) ?? ''
  const findings = parts
    .map(part => part.replace(/\..*$/, ''))
    .filter(isDrawer)
    .map(part => fail(file, 0, 'drawer-name', `“${part}” says nothing about what is inside`))
  const isComponent = file.path.endsWith('.vue')
  if (isComponent || kebabCase.test(name)) return findings
  return [...findings, fail(file, 0, 'file-name', `${name} is not kebab-case`)]
}

function isDrawer(name: string): boolean {
  const words = name.toLowerCase().split('-')
  return (
    words.some(word => drawers.has(word)) ||
    drawersAtTheEnd.has(words.at(-1) ?? '') ||
    drawersAlone.has(name)
  )
}

function checkBarrel(file: SourceFile): Finding[] {
  const statements = file.program.body
  const isReExport = statements.every(
    statement =>
      statement.type === 'ExportAllDeclaration' ||
      (statement.type === 'ExportNamedDeclaration' && statement.source !== null),
  )
  if (statements.length === 0 || !isReExport) return []
  return [fail(file, 0, 'barrel', 'the file only exports what others define')]
}

/** A default export is for files whose reader demands one, such as `prisma.config.ts`. */
function checkExports(file: SourceFile): Finding[] {
  return file.program.body.flatMap(statement => {
    if (statement.type === 'ExportDefaultDeclaration' && !file.path.endsWith('.config.ts')) {
      return [fail(file, statement.start, 'default-export', 'exports have names')]
    }
    if (statement.type !== 'ExportNamedDeclaration') return []
    const { declaration } = statement
    if (declaration?.type !== 'VariableDeclaration') return []
    return declaration.declarations
      .filter(({ id, init }) => init?.type === 'ArrowFunctionExpression' && !id.typeAnnotation)
      .map(({ start }) => fail(file, start, 'arrow-export', 'write `export function`'))
  })
}

function checkScripts({ packages }: Workspace): Finding[] {
  return packages.flatMap(({ folder, scripts }) => {
    const max = folder === '.' ? 12 : 6
    if (scripts.length <= max) return []
    const message = `${scripts.length} scripts, at most ${max}`
    const path =
      folderOf(`${folder}/package.json`) === '.' ? 'package.json' : `${folder}/package.json`
    return [failAt(path, 'package-scripts', message)]
  })
}
