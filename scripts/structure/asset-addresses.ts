import { fail, type Finding } from './findings.ts'
import { calleeName, descendantsOf, literalText, memberName } from './syntax.ts'
import { isProduct, type SourceFile, type Workspace } from './workspace.ts'
import type { Node } from 'oxc-parser'

/** Where an address of an asset is made, and the store and the signer that it is made with. */
const makers = [
  'libs/asset/src/resolve-url.ts',
  'libs/asset/src/signed-links.ts',
  'libs/asset/src/s3-object-store.ts',
  'libs/asset/src/s3-part-store.ts',
  'libs/asset/src/memory-object-store.ts',
  'libs/asset/src/testing.ts',
]
const signers = /^@aws-sdk\/(cloudfront-signer|s3-request-presigner)$/
const hostNames = new Set(['cdnUrl', 'privateCdnUrl'])
const ourHosts = /https?:\/\/(private-)?cdn\./

/**
 * Requirement A7: only resolveUrl makes an address of an asset. Nobody else signs one, asks the
 * store for one, or puts a CDN's host before something.
 */
export function checkAssetAddresses(workspace: Workspace): Finding[] {
  return workspace.files
    .filter(({ path }) => isProduct(path) && !path.startsWith('libs/simulators/'))
    .filter(({ path }) => !makers.includes(path))
    .flatMap(checkFile)
}

function checkFile(file: SourceFile): Finding[] {
  const imports = file.imports.filter(({ specifier }) => signers.test(specifier))
  const nodes = file.visits.map(({ node }) => node).filter(makesAddress)
  return [...imports, ...nodes].map(({ start }) =>
    fail(file, start, 'asset-address', 'only libs/asset/src/resolve-url.ts makes addresses (A7)'),
  )
}

function makesAddress(node: Node): boolean {
  if (ourHosts.test(literalText(node) ?? '')) return true
  if (calleeName(node) === 'presignDownload') return true
  return isJoined(node) && descendantsOf(node).some(namesHost)
}

/** Text put together, or a path resolved against a base. */
function isJoined(node: Node): boolean {
  if (node.type === 'TemplateLiteral') return node.expressions.length > 0
  if (node.type === 'NewExpression') return calleeOf(node) === 'URL' && node.arguments.length > 1
  return node.type === 'BinaryExpression' && node.operator === '+'
}

function calleeOf(node: Node): string | undefined {
  return node.type === 'NewExpression' && node.callee.type === 'Identifier'
    ? node.callee.name
    : undefined
}

function namesHost(node: Node): boolean {
  const name = node.type === 'Identifier' ? node.name : memberName(node)?.property
  return name !== undefined && hostNames.has(name)
}
