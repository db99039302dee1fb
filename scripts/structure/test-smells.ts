import type { Node } from 'oxc-parser'
import { fail, warn, type Finding } from './findings.ts'
import {
  ancestorsOf,
  calleeName,
  descendantsOf,
  isFunction,
  isNamed,
  linesSpanned,
  literalText,
  memberName,
  type FunctionNode,
  type Visit,
} from './syntax.ts'
import { isTest, isTestFile, type SourceFile, type Workspace } from './workspace.ts'

const testLinesMax = 40
const mocks = new Set(['mockImport', 'mockRequire', 'mockAll', 'mock'])
const notAssertions = new Set(
  'teardown comment context before after beforeEach afterEach plan testdir setTimeout'.split(' '),
)
const preparation = /^(setup|create|open|start|build|make)/

/** Smell 18: tests that can't fail, that wait for the clock, or that test their own mocks. */
export function checkTestSmells(workspace: Workspace): Finding[] {
  return workspace.files
    .filter(({ path }) => isTest(path))
    .flatMap(file =>
      file.visits.flatMap(visit => [
        ...(isTestFile(file.path) ? checkTest(file, visit) : []),
        ...checkSleep(file, visit),
        ...checkMock(file, visit),
      ]),
    )
}

function checkTest(file: SourceFile, { node }: Visit): Finding[] {
  if (node.type !== 'CallExpression') return []
  const member = memberName(node.callee)
  if (member?.property === 'only') return [fail(file, node.start, 'test-only', 'runs alone')]
  if (member?.property !== 'test') return []
  const [title, options] = node.arguments
  const body = node.arguments.find(argument => isFunction(argument))
  return [
    ...checkTitle(file, title),
    ...checkOptions(file, options),
    ...(body ? checkBody(file, body) : []),
  ]
}

function checkTitle(file: SourceFile, title: Node | undefined): Finding[] {
  const text = title && literalText(title)
  if (!title || text === undefined || !/^should\b|\bshould work\b/i.test(text)) return []
  return [fail(file, title.start, 'test-title', 'the title states the guarantee')]
}

function checkOptions(file: SourceFile, options: Node | undefined): Finding[] {
  if (options?.type !== 'ObjectExpression') return []
  return options.properties.flatMap(property => {
    if (property.type !== 'Property' || property.value.type !== 'Literal') return []
    const isTrue = property.value.value === true
    if (isTrue && isNamed(property.key, 'only')) {
      return [fail(file, property.start, 'test-only', 'runs alone')]
    }
    if (!isTrue || !(isNamed(property.key, 'skip') || isNamed(property.key, 'todo'))) return []
    return [fail(file, property.start, 'test-skip', 'say why, as the value of the option')]
  })
}

function checkBody(file: SourceFile, body: FunctionNode): Finding[] {
  const findings: Finding[] = []
  const lines = linesSpanned(file, body)
  if (lines > testLinesMax) {
    findings.push(warn(file, body.start, 'test-length', `${lines} lines, at most ${testLinesMax}`))
  }
  const parameter = body.params[0]
  const name = parameter?.type === 'Identifier' ? parameter.name : 't'
  if (!descendantsOf(body).some(node => isAssertion(node, name))) {
    findings.push(fail(file, body.start, 'no-assertion', 'the test cannot fail by its own check'))
  }
  return findings
}

/** A call on the test object, or one that is given the test object to assert with. */
function isAssertion(node: Node, test: string): boolean {
  if (node.type !== 'CallExpression') return false
  const name = calleeName(node) ?? ''
  if (name.startsWith('assert')) return true
  const member = memberName(node.callee)
  if (member && isNamed(member.object, test)) return !notAssertions.has(member.property)
  const isGivenTest = node.arguments.some(argument => isNamed(argument, test))
  return isGivenTest && !preparation.test(name)
}

/** Waiting is allowed inside a loop: that is how a condition is polled. */
function checkSleep(file: SourceFile, visit: Visit): Finding[] {
  if (!isSleep(file, visit)) return []
  const isPolling = ancestorsOf(visit).some(node =>
    /^(For|ForOf|While|DoWhile)Statement$/.test(node.type),
  )
  if (isPolling) return []
  return [fail(file, visit.node.start, 'sleep', 'wait for an event or poll a condition')]
}

function isSleep(file: SourceFile, { node }: Visit): boolean {
  if (node.type === 'NewExpression' && isNamed(node.callee, 'Promise')) {
    const executor = node.arguments[0]
    if (!executor || !isFunction(executor)) return false
    const resolve = executor.params[0]
    return descendantsOf(executor).some(
      inner =>
        inner.type === 'CallExpression' &&
        isNamed(inner.callee, 'setTimeout') &&
        resolve?.type === 'Identifier' &&
        isNamed(inner.arguments[0], resolve.name),
    )
  }
  const name = calleeName(node)
  return name !== undefined && timerNames(file).has(name)
}

/** What `setTimeout` of node:timers/promises is called in the file. */
function timerNames(file: SourceFile): Set<string> {
  const specifiers = file.program.body
    .filter(statement => statement.type === 'ImportDeclaration')
    .filter(({ source }) => source.value === 'node:timers/promises')
    .flatMap(statement => statement.specifiers)
  const sleeping = specifiers.filter(
    specifier => specifier.type === 'ImportSpecifier' && isNamed(specifier.imported, 'setTimeout'),
  )
  return new Set(sleeping.map(specifier => specifier.local.name))
}

function checkMock(file: SourceFile, { node }: Visit): Finding[] {
  if (node.type !== 'CallExpression' || !mocks.has(memberName(node.callee)?.property ?? ''))
    return []
  const target = node.arguments[0] && literalText(node.arguments[0])
  if (target === undefined || !/^(\.|@funmagic\/)/.test(target)) return []
  return [fail(file, node.start, 'own-mock', 'our own code is not mocked')]
}
