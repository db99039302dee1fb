import type { ArrowFunctionExpression, Comment, Function, Node, Program, Span } from 'oxc-parser'

/** A node and the way up from it. */
export interface Visit {
  readonly node: Node
  readonly parent: Visit | undefined
}

/** The parts of a source file that questions about places in it need. */
interface Place {
  readonly lineStarts: readonly number[]
  readonly comments: readonly Comment[]
}

/** Every node of a program in source order, each once. */
export function visitsOf(program: Program): Visit[] {
  const visits: Visit[] = []
  const enter = (node: Node, parent: Visit | undefined): void => {
    const visit = { node, parent }
    visits.push(visit)
    for (const child of childrenOf(node)) enter(child, visit)
  }
  enter(program, undefined)
  return visits
}

/** The node itself and everything below it. */
export function descendantsOf(node: Node): Node[] {
  return [node, ...childrenOf(node).flatMap(descendantsOf)]
}

function childrenOf(node: Node): Node[] {
  return Object.values<unknown>({ ...node, parent: undefined })
    .flat()
    .filter(isNode)
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

/** The nodes around a visited one, from the inside out. */
export function ancestorsOf(visit: Visit): Node[] {
  const ancestors: Node[] = []
  for (let above = visit.parent; above !== undefined; above = above.parent) {
    ancestors.push(above.node)
  }
  return ancestors
}

/** The statement that a visited node is part of, or the node itself. */
export function statementOf(visit: Visit): Node {
  const chain = [visit.node, ...ancestorsOf(visit)]
  const isStatement = (node: Node) => /Statement$|Declaration$/.test(node.type)
  return chain.find(isStatement) ?? visit.node
}

export function lineStartsOf(text: string): number[] {
  return [0, ...Array.from(text.matchAll(/\n/g), match => match.index + 1)]
}

/** The line of an offset, counted from 1. */
export function lineAt(place: Pick<Place, 'lineStarts'>, offset: number): number {
  let low = 0
  let high = place.lineStarts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((place.lineStarts[middle] ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  return low
}

export function linesSpanned(place: Pick<Place, 'lineStarts'>, node: Node): number {
  return lineAt(place, node.end - 1) - lineAt(place, node.start) + 1
}

/** True when a comment ends on the line above a span, or begins inside it. */
export function hasComment(place: Place, { start, end }: Span): boolean {
  const lineAbove = lineAt(place, start) - 1
  return place.comments.some(
    comment =>
      (comment.start >= start && comment.start <= end) ||
      (comment.end <= start && lineAt(place, comment.end - 1) >= lineAbove),
  )
}

export type FunctionNode = Function | ArrowFunctionExpression

export function isFunction(node: Node): node is FunctionNode {
  return (
    node.type === 'FunctionDeclaration' ||
    node.type === 'FunctionExpression' ||
    node.type === 'ArrowFunctionExpression'
  )
}

/** What a function is called where it is defined; undefined for a callback. */
export function functionName(visit: Visit): string | undefined {
  const { node } = visit
  if (isFunction(node) && node.id) return node.id.name
  const parent = visit.parent?.node
  if (parent?.type === 'MethodDefinition') {
    const { key } = parent
    return key.type === 'Identifier' || key.type === 'PrivateIdentifier' ? key.name : 'a method'
  }
  if (parent?.type === 'VariableDeclarator' && parent.id.type === 'Identifier') {
    return parent.id.name
  }
  return undefined
}

/** `object.property` as written, for members without computed keys; otherwise undefined. */
export function memberName(node: Node): { object: Node; property: string } | undefined {
  if (node.type !== 'MemberExpression') return undefined
  const { object, property } = node
  if (!node.computed) {
    return property.type === 'Identifier' ? { object, property: property.name } : undefined
  }
  if (property.type !== 'Literal' || typeof property.value !== 'string') return undefined
  return { object, property: property.value }
}

/** The name a call goes by: `wait` for `wait()` and for `timers.wait()`. */
export function calleeName(node: Node): string | undefined {
  if (node.type !== 'CallExpression') return undefined
  if (node.callee.type === 'Identifier') return node.callee.name
  return memberName(node.callee)?.property
}

export function isNamed(node: Node | null | undefined, name: string): boolean {
  return node?.type === 'Identifier' && node.name === name
}

/** The text of a string or template literal, with `?` for what a template interpolates. */
export function literalText(node: Node): string | undefined {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined
  if (node.type !== 'TemplateLiteral') return undefined
  return node.quasis.map(quasi => quasi.value.cooked ?? quasi.value.raw).join('?')
}
