import { fail, type Finding } from './findings.ts'
import { ancestorsOf, calleeName, isNamed, memberName, type Visit } from './syntax.ts'
import { isProduct, type SourceFile, type Workspace } from './workspace.ts'
import type { Node } from 'oxc-parser'

const amount = /(credits|balance)$/i
const toInteger = new Set(['ceil', 'floor', 'round', 'trunc'])

/** Smell 16: an amount of credits is a safe integer and stays one. */
export function checkAmounts(workspace: Workspace): Finding[] {
  return workspace.files
    .filter(({ path }) => isProduct(path))
    .flatMap(file => file.visits.flatMap(visit => [...checkFraction(file, visit)]))
}

function checkFraction(file: SourceFile, visit: Visit): Finding[] {
  const { node } = visit
  if (node.type === 'CallExpression' && calleeName(node) === 'parseFloat') {
    const isAmount = node.arguments.some(isAmountNode)
    return isAmount ? [fail(file, node.start, 'float-amount', 'credits are whole')] : []
  }
  if (node.type !== 'BinaryExpression' || !makesFraction(node.operator, node.right)) return []
  if (!isAmountNode(node.left) && !isAmountNode(node.right)) return []
  const isRounded = ancestorsOf(visit).some(around => toInteger.has(calleeName(around) ?? ''))
  return isRounded
    ? []
    : [fail(file, node.start, 'float-amount', 'round with Math, and say why so')]
}

function makesFraction(operator: string, right: Node): boolean {
  if (operator === '/') return true
  const isFractional =
    right.type === 'Literal' && typeof right.value === 'number' && !Number.isInteger(right.value)
  return operator === '*' && isFractional
}

function isAmountNode(node: Node): boolean {
  const name = node.type === 'Identifier' ? node.name : memberName(node)?.property
  return name !== undefined && amount.test(name) && !isNamed(node, 'Credits')
}
