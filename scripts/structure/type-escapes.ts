import { fail, type Finding } from './findings.ts'
import type { SourceFile, Workspace } from './workspace.ts'

/** Smell 6: places where the compiler is told to look away. */
export function checkTypeEscapes(workspace: Workspace): Finding[] {
  return workspace.files.flatMap(file => [...checkNodes(file), ...checkDirectives(file)])
}

function checkNodes(file: SourceFile): Finding[] {
  return file.visits.flatMap(({ node }) => {
    switch (node.type) {
      case 'TSAnyKeyword':
        return [fail(file, node.start, 'any', 'take `unknown` and parse it')]
      case 'TSNonNullExpression':
        return [fail(file, node.start, 'non-null', 'handle the missing case instead of `!`')]
      case 'TSTypeAssertion':
        return [fail(file, node.start, 'cast', 'angle-bracket casts are not used')]
      case 'TSAsExpression': {
        const { expression } = node
        const isDouble =
          expression.type === 'TSAsExpression' &&
          ['TSUnknownKeyword', 'TSNeverKeyword'].includes(expression.typeAnnotation.type)
        return isDouble ? [fail(file, node.start, 'cast', '`as unknown as` defeats the types')] : []
      }
      default:
        return []
    }
  })
}

function checkDirectives(file: SourceFile): Finding[] {
  return file.comments
    .filter(comment => /@ts-(ignore|nocheck)\b/.test(comment.value))
    .map(comment => fail(file, comment.start, 'ts-ignore', 'the compiler is not silenced'))
}
