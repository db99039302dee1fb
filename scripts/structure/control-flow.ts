import { fail, type Finding } from './findings.ts'
import {
  calleeName,
  descendantsOf,
  hasComment,
  isFunction,
  isNamed,
  memberName,
  statementOf,
  type Visit,
} from './syntax.ts'
import { isTest, type SourceFile, type Workspace } from './workspace.ts'
import type { CatchClause, Node } from 'oxc-parser'

/** Smells 14 and 15: swallowed errors and work without a bound. */
export function checkControlFlow(workspace: Workspace): Finding[] {
  return workspace.files.flatMap(file =>
    file.visits.flatMap(visit => [
      ...checkLoop(file, visit),
      ...checkPromiseAll(file, visit),
      ...checkCatchClause(file, visit),
      ...checkCatchCall(file, visit),
    ]),
  )
}

function checkLoop(file: SourceFile, { node }: Visit): Finding[] {
  const body = endlessBody(node)
  if (!body) return []
  const first = body.type === 'BlockStatement' ? body.body[0] : body
  if (hasComment(file, { start: node.start, end: first?.start ?? body.end })) return []
  return [fail(file, node.start, 'unbounded-loop', 'a comment must name what ends this loop')]
}

function endlessBody(node: Node): Node | undefined {
  if (node.type === 'ForStatement') return node.test === null ? node.body : undefined
  if (node.type !== 'WhileStatement' && node.type !== 'DoWhileStatement') return undefined
  return node.test.type === 'Literal' && Boolean(node.test.value) ? node.body : undefined
}

function checkPromiseAll(file: SourceFile, visit: Visit): Finding[] {
  const { node } = visit
  if (node.type !== 'CallExpression' || isTest(file.path)) return []
  const member = memberName(node.callee)
  if (!member || !isNamed(member.object, 'Promise')) return []
  if (!['all', 'allSettled'].includes(member.property)) return []
  if (node.arguments[0]?.type === 'ArrayExpression') return []
  if (hasComment(file, { start: statementOf(visit).start, end: node.end })) return []
  const message = `a comment must name the bound of Promise.${member.property}`
  return [fail(file, node.start, 'unbounded-promises', message)]
}

/**
 * A catch must keep the error in play, by throwing with it or handing it on, or a comment must
 * name the case it handles.
 */
function checkCatchClause(file: SourceFile, visit: Visit): Finding[] {
  const { node } = visit
  if (node.type !== 'CatchClause') return []
  const { start } = visit.parent?.node ?? node
  if (hasComment(file, node) || hasComment(file, { start, end: start })) return []
  const isLost = descendantsOf(node.body).some(
    inner =>
      inner.type === 'ThrowStatement' &&
      inner.argument.type === 'NewExpression' &&
      !mentionsError(node, inner),
  )
  if (isLost) return [fail(file, node.start, 'lost-cause', 'throw with the error as `cause`')]
  if (mentionsError(node, node.body)) return []
  const message = 'rethrow with cause, or name the handled case in a comment'
  return [fail(file, node.start, 'swallowed-error', message)]
}

function mentionsError(clause: CatchClause, within: Node): boolean {
  const { param } = clause
  if (param?.type !== 'Identifier') return false
  return descendantsOf(within).some(node => isNamed(node, param.name))
}

function checkCatchCall(file: SourceFile, visit: Visit): Finding[] {
  const { node } = visit
  if (node.type !== 'CallExpression' || calleeName(node) !== 'catch') return []
  if (isTest(file.path)) return []
  const handler = node.arguments[0]
  if (!handler || !isFunction(handler) || handler.params.length > 0) return []
  if (hasComment(file, { start: statementOf(visit).start, end: node.end })) return []
  const message = 'take the error, or name the handled case in a comment'
  return [fail(file, handler.start, 'swallowed-error', message)]
}
