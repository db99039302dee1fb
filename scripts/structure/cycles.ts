import { posix } from 'node:path'
import { failAt, type Finding } from './findings.ts'
import type { SourceFile, Workspace } from './workspace.ts'

type Graph = ReadonlyMap<string, readonly string[]>

/** Smell 4: files that import each other in a circle, types included. One finding for each. */
export function checkCycles(workspace: Workspace): Finding[] {
  const graph = importGraph(workspace)
  return stronglyConnected(graph)
    .filter(group => group.length > 1 || graph.get(group[0] ?? '')?.includes(group[0] ?? ''))
    .map(group => group.sort())
    .map(group => failAt(group[0] ?? '.', 'import-cycle', group.join(' → ')))
}

function importGraph(workspace: Workspace): Graph {
  const paths = new Set(workspace.files.map(file => file.path))
  const publicPaths = new Map(
    workspace.packages.flatMap(({ name, folder, exports }) =>
      Object.entries(exports).map(([key, target]): [string, string] => [
        posix.join(name, key),
        posix.join(folder, target),
      ]),
    ),
  )
  const targetsOf = (file: SourceFile) =>
    file.imports
      .map(({ specifier }) =>
        specifier.startsWith('.')
          ? posix.join(posix.dirname(file.path), specifier)
          : publicPaths.get(specifier),
      )
      .filter(target => target !== undefined)
      .filter(target => paths.has(target))
  return new Map(workspace.files.map(file => [file.path, targetsOf(file)]))
}

/** Tarjan's algorithm: each group can reach itself and all of its members. */
function stronglyConnected(graph: Graph): string[][] {
  const order = new Map<string, number>()
  const stack: string[] = []
  const groups: string[][] = []
  const visit = (path: string): number => {
    const index = order.size
    order.set(path, index)
    stack.push(path)
    let low = index
    for (const target of graph.get(path) ?? []) {
      if (!order.has(target)) low = Math.min(low, visit(target))
      else if (stack.includes(target)) low = Math.min(low, order.get(target) ?? low)
    }
    if (low === index) groups.push(stack.splice(stack.indexOf(path)))
    return low
  }
  for (const path of graph.keys()) if (!order.has(path)) visit(path)
  return groups
}
