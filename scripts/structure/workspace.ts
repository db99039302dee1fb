import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseSync, type Comment, type Program } from 'oxc-parser'
import { lineStartsOf, visitsOf, type Visit } from './syntax.ts'

export interface Import {
  readonly specifier: string
  readonly start: number
}

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string
  readonly text: string
  readonly lineStarts: readonly number[]
  readonly program: Program
  readonly comments: readonly Comment[]
  readonly visits: readonly Visit[]
  readonly imports: readonly Import[]
  readonly syntaxErrors: readonly string[]
}

export interface Package {
  readonly name: string
  /** `libs/ledger`, `services/asset`; `.` for the root. */
  readonly folder: string
  readonly scripts: readonly string[]
  readonly exports: Readonly<Record<string, string>>
  readonly dependencies: readonly string[]
  readonly devDependencies: readonly string[]
}

export interface Workspace {
  readonly root: string
  readonly files: readonly SourceFile[]
  readonly packages: readonly Package[]
  /** Schema files of Prisma: path and text. */
  readonly schemas: readonly { path: string; text: string }[]
}

const sources = [
  '*.ts',
  '{libs,services}/*/*.ts',
  '{libs,services}/*/{src,test}/**/*.{ts,vue}',
  'scripts/**/*.{ts,mjs}',
  'docs/examples/**/*.ts',
]
const notOurs = /(^|\/)(node_modules|generated|dist|\.local|\.tap)(\/|$)/

/** Reads and parses everything the rules look at. */
export function readWorkspace(root: string): Workspace {
  const paths = find(root, sources)
  return {
    root,
    files: paths.map(path => parseFile({ path, text: readFileSync(join(root, path), 'utf8') })),
    packages: find(root, ['package.json', '{libs,services}/*/package.json']).map(path =>
      readPackage({ root, path }),
    ),
    schemas: find(root, ['libs/database/prisma/schema/*.prisma']).map(path => ({
      path,
      text: readFileSync(join(root, path), 'utf8'),
    })),
  }
}

function find(root: string, patterns: string[]): string[] {
  const found = globSync(patterns, { cwd: root, exclude: path => notOurs.test(path) })
  return found
    .map(path => path.replaceAll('\\', '/'))
    .filter(path => !notOurs.test(path) && existsSync(join(root, path)))
    .sort()
}

function parseFile({ path, text }: { path: string; text: string }): SourceFile {
  const script = path.endsWith('.vue') ? scriptOf(text) : text
  const lang = path.endsWith('.mjs') ? 'js' : 'ts'
  const parsed = parseSync(path, script, { lang, sourceType: 'module', preserveParens: false })
  const visits = visitsOf(parsed.program)
  return {
    path,
    text,
    lineStarts: lineStartsOf(text),
    program: parsed.program,
    comments: parsed.comments,
    visits,
    imports: importsOf(visits),
    syntaxErrors: parsed.errors.map(error => error.message),
  }
}

/** The script of a Vue component at its own offsets: everything around it becomes blanks. */
function scriptOf(text: string): string {
  const match = /<script[^>]*>([\s\S]*?)<\/script>/.exec(text)
  if (!match) return ''
  const [whole, script = ''] = match
  const start = match.index + whole.indexOf('>') + 1
  return text.slice(0, start).replace(/[^\n]/g, ' ') + script
}

function importsOf(visits: readonly Visit[]): Import[] {
  return visits.flatMap(({ node }) => {
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
      case 'ExportNamedDeclaration':
        return node.source ? [{ specifier: node.source.value, start: node.start }] : []
      case 'ImportExpression':
      case 'TSImportType': {
        const { source } = node
        if (source.type !== 'Literal' || typeof source.value !== 'string') return []
        return [{ specifier: source.value, start: node.start }]
      }
      default:
        return []
    }
  })
}

function readPackage({ root, path }: { root: string; path: string }): Package {
  const manifest: unknown = JSON.parse(readFileSync(join(root, path), 'utf8'))
  const named = (field: string) => stringsOf(fieldOf(manifest, field))
  return {
    name: String(fieldOf(manifest, 'name')),
    folder: dirname(path),
    scripts: Object.keys(named('scripts')),
    exports: named('exports'),
    dependencies: Object.keys(named('dependencies')),
    devDependencies: Object.keys(named('devDependencies')),
  }
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined
}

function stringsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]))
}

/** `libs/ledger` for a file of that package; `scripts`, `docs` or `.` for one outside packages. */
export function folderOf(path: string): string {
  const parts = path.split('/')
  if (parts.length === 1) return '.'
  return parts[0] === 'libs' || parts[0] === 'services'
    ? parts.slice(0, 2).join('/')
    : (parts[0] ?? '.')
}

/** True below a `test/` folder: tests and what supports them. */
export function isTest(path: string): boolean {
  return path.includes('/test/')
}

export function isTestFile(path: string): boolean {
  return path.endsWith('.test.ts')
}

/** True for what runs in production: the `src/` of a lib or a service. */
export function isProduct(path: string): boolean {
  return /^(libs|services)\/[^/]+\/src\//.test(path)
}
