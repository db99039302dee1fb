import { posix } from 'node:path'
import { fail, failAt, type Finding } from './findings.ts'
import { folderOf, isTest, type Import, type SourceFile, type Workspace } from './workspace.ts'

const nouns = ['ledger', 'task', 'asset', 'session', 'provider']
const mayImport: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  runtime: ['contract'],
  database: [],
  simulators: ['contract'],
  ...Object.fromEntries(nouns.map(noun => [noun, ['contract', 'database']])),
}
const servicesMayImport = ['contract', 'runtime', 'database', ...nouns]
const browserServices = ['services/web', 'services/admin']
const scope = '@funmagic/'

/** One door for each vendor: the only places that import it, as prefixes of paths. */
const doors: readonly { vendor: RegExp; open: readonly string[] }[] = [
  { vendor: /^bullmq$/, open: ['libs/task/src/queue.ts', 'libs/task/test/'] },
  { vendor: /^(@aws-sdk|@smithy)\//, open: ['libs/asset/', 'libs/simulators/'] },
  { vendor: /^sharp$/, open: ['libs/asset/', 'libs/simulators/'] },
  { vendor: /^thumbhash$/, open: ['libs/asset/src/pictures.ts', 'libs/asset/test/'] },
  { vendor: /^client-zip$/, open: ['services/asset/src/asset-archive.ts'] },
  { vendor: /^lucia$/, open: ['libs/session/'] },
  { vendor: /^better-auth$/, open: ['services/auth/test/'] },
  {
    vendor: /^(openai|replicate|@fal-ai\/client|@google\/genai)$/,
    open: [
      'services/provider-worker/src/providers/',
      'services/provider-worker/test/',
      'libs/simulators/test/',
    ],
  },
  {
    vendor: /^stripe$/,
    open: ['services/credit/src/stripe/', 'services/credit/test/', 'libs/simulators/test/'],
  },
  { vendor: /^(@prisma\/.+|prisma|pg)$/, open: ['libs/database/'] },
  { vendor: /^(pino|@opentelemetry\/.+)$/, open: ['libs/runtime/'] },
  { vendor: /^@node-rs\/argon2$/, open: ['services/auth/'] },
  {
    vendor: /^(fastify|fastify-plugin|@fastify\/.+)$/,
    open: [
      'libs/runtime/',
      'libs/session/src/require-user.ts',
      'libs/session/src/limit-requests.ts',
      'libs/session/test/',
      'libs/simulators/',
      'services/',
    ],
  },
]

/** Smells 5 and 12: every arrow points down, and each vendor has one door. */
export function checkImports(workspace: Workspace): Finding[] {
  return [
    ...workspace.files.flatMap(file =>
      file.imports.flatMap(imported => [
        ...checkTable(file, imported),
        ...checkReach(file, imported),
        ...checkDoor(file, imported),
      ]),
    ),
    ...checkDeclarations(workspace),
  ]
}

function checkTable(file: SourceFile, imported: Import): Finding[] {
  const lib = libOf(imported.specifier)
  const from = folderOf(file.path)
  if (lib === undefined || !isPackage(from) || from === `libs/${lib}`) return []
  const isTesting = imported.specifier.endsWith('/testing')
  const isOpen = allowedFor(from).includes(lib)
  if (isTesting && !mayUseTesting(file.path)) {
    const message = `${imported.specifier} is for tests only`
    return [fail(file, imported.start, 'testing-export', message)]
  }
  if (isOpen || (isTest(file.path) && (isTesting || lib === 'simulators'))) return []
  return [fail(file, imported.start, 'import-table', `${from} may not import ${scope}${lib}`)]
}

function libOf(specifier: string): string | undefined {
  return specifier.startsWith(scope) ? specifier.slice(scope.length).split('/')[0] : undefined
}

function isPackage(folder: string): boolean {
  return folder.startsWith('libs/') || folder.startsWith('services/')
}

function allowedFor(folder: string): readonly string[] {
  if (browserServices.includes(folder)) return ['contract']
  if (folder.startsWith('services/')) return servicesMayImport
  return mayImport[folder.slice('libs/'.length)] ?? []
}

function mayUseTesting(path: string): boolean {
  return isTest(path) || /\/src\/testing(\.ts|\/)/.test(path)
}

/** A relative path that leaves its package goes round the `exports` of the other. */
function checkReach(file: SourceFile, imported: Import): Finding[] {
  const from = folderOf(file.path)
  if (!isPackage(from)) return []
  if (imported.specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file.path), imported.specifier)
    if (folderOf(target) === from) return []
    return [fail(file, imported.start, 'import-table', `${imported.specifier} leaves ${from}`)]
  }
  const isForeign = !imported.specifier.startsWith(scope) && imported.specifier !== 'typebox'
  if (from === 'libs/contract' && isForeign && !isTest(file.path)) {
    const message = `libs/contract imports typebox and nothing else, not ${imported.specifier}`
    return [fail(file, imported.start, 'import-table', message)]
  }
  return []
}

function checkDoor(file: SourceFile, imported: Import): Finding[] {
  if (!isPackage(folderOf(file.path))) return []
  const [scopeOrName = '', rest] = imported.specifier.split('/')
  const vendor = scopeOrName.startsWith('@') ? `${scopeOrName}/${rest}` : scopeOrName
  const door = doors.find(candidate => candidate.vendor.test(vendor))
  if (!door || door.open.some(prefix => file.path.startsWith(prefix))) return []
  const message = `${vendor} is imported in ${door.open[0]} only`
  return [fail(file, imported.start, 'vendor-door', message)]
}

/** package.json is the import rule: what it declares must fit the table too. */
function checkDeclarations({ packages }: Workspace): Finding[] {
  return packages
    .filter(({ folder }) => isPackage(folder))
    .flatMap(({ folder, ...declared }) => {
      const allowed = allowedFor(folder)
      const forTests = [...allowed, 'simulators', ...nouns]
      const wrong = [
        ...declared.dependencies.filter(name => !isAllowed(name, allowed)),
        ...declared.devDependencies.filter(name => !isAllowed(name, forTests)),
      ]
      return wrong.map(name =>
        failAt(`${folder}/package.json`, 'import-table', `${folder} may not depend on ${name}`),
      )
    })
}

function isAllowed(dependency: string, allowed: readonly string[]): boolean {
  const lib = libOf(dependency)
  return lib === undefined || allowed.includes(lib)
}
