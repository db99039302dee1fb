import { fail, warn, type Finding } from './findings.ts'
import { descendantsOf, functionName, isFunction, isNamed, memberName } from './syntax.ts'
import { isProduct, type SourceFile, type Workspace } from './workspace.ts'
import type { Node } from 'oxc-parser'

/** Where the environment is read: once where a process starts, and where tools and tests begin. */
const environmentReaders = [
  /\/src\/main\.ts$/,
  /^libs\/runtime\/src\/(lifecycle|telemetry)\.ts$/,
  /\/src\/testing(\.ts|\/)/,
  /\/test\//,
  /^scripts\//,
  /^docs\/examples\//,
  /\.config\.ts$/,
]
const mayActAtTheTop = /\/src\/(main|telemetry)\.ts$|\.vue$/
const forwardersMax = 2

/** Smells 10 and 11: hidden reads of the environment, modules that act, layers that pass on. */
export function checkSideEffects(workspace: Workspace): Finding[] {
  return workspace.files.flatMap(file => [
    ...checkEnvironment(file),
    ...checkTopLevel(file),
    ...checkForwarding(file),
  ])
}

function checkEnvironment(file: SourceFile): Finding[] {
  if (environmentReaders.some(pattern => pattern.test(file.path))) return []
  const imports = file.imports.filter(({ specifier }) => /^(node:)?process$/.test(specifier))
  const reads = file.visits.map(({ node }) => node).filter(readsEnvironment)
  return [...imports, ...reads].map(({ start }) =>
    fail(file, start, 'environment', 'only main.ts reads process.env'),
  )
}

function readsEnvironment(node: Node): boolean {
  if (node.type === 'VariableDeclarator') {
    return node.id.type === 'ObjectPattern' && isNamed(node.init, 'process')
  }
  const member = memberName(node)
  return member?.property === 'env' && isNamed(member.object, 'process')
}

function checkTopLevel(file: SourceFile): Finding[] {
  if (!isProduct(file.path) || mayActAtTheTop.test(file.path)) return []
  return file.program.body
    .filter(statement => actsAtOnce(statement))
    .map(({ start }) => fail(file, start, 'top-level-effect', 'importing a module does nothing'))
}

function actsAtOnce(statement: Node): boolean {
  if (/^(Expression|If|Try|For|ForOf|ForIn|While|Block)Statement$/.test(statement.type)) return true
  return waitsAtOnce(statement)
}

/** True when an `await` stands outside every function. */
function waitsAtOnce(node: Node): boolean {
  if (node.type === 'AwaitExpression') return true
  const isLeaf = isFunction(node) || node.type === 'ClassDeclaration'
  if (isLeaf || node.type.startsWith('TS')) return false
  const [, ...below] = descendantsOf(node)
  const inFunctions = below.filter(isFunction)
  return below.some(
    inner =>
      inner.type === 'AwaitExpression' &&
      !inFunctions.some(around => around.start <= inner.start && inner.end <= around.end),
  )
}

function checkForwarding(file: SourceFile): Finding[] {
  const forwarders = file.visits.filter(
    visit => functionName(visit) !== undefined && isForwarder(visit.node),
  )
  const classes = file.visits.flatMap(({ node }) => {
    if (node.type !== 'ClassDeclaration') return []
    const methods = node.body.body.flatMap(member =>
      member.type === 'MethodDefinition' && member.kind === 'method' ? [member.value] : [],
    )
    const isLayer = methods.length > forwardersMax && methods.every(isForwarder)
    return isLayer ? [fail(file, node.start, 'forwarding', 'every method only passes on')] : []
  })
  if (forwarders.length <= forwardersMax) return classes
  const message = `${forwarders.length} functions only pass their arguments on`
  return [...classes, warn(file, forwarders[0]?.node.start ?? 0, 'forwarding', message)]
}

/** A function whose whole body is one call with its own parameters in their order. */
function isForwarder(node: Node): boolean {
  if (!isFunction(node) || node.params.length === 0) return false
  const call = onlyCall(node.body)
  if (call?.type !== 'CallExpression' || call.arguments.length !== node.params.length) return false
  return call.arguments.every((argument, index) => {
    const parameter = node.params[index]
    return parameter?.type === 'Identifier' && isNamed(argument, parameter.name)
  })
}

function onlyCall(body: Node | null): Node | undefined {
  if (!body) return undefined
  if (body.type === 'AwaitExpression') return onlyCall(body.argument)
  if (body.type !== 'BlockStatement') return body
  const [statement, ...others] = body.body
  if (!statement || others.length > 0) return undefined
  if (statement.type === 'ReturnStatement') return onlyCall(statement.argument)
  return statement.type === 'ExpressionStatement' ? onlyCall(statement.expression) : undefined
}
