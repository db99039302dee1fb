import { checkAmounts } from './amounts.ts'
import { checkAssetAddresses } from './asset-addresses.ts'
import { checkComments } from './comments.ts'
import { checkControlFlow } from './control-flow.ts'
import { checkCycles } from './cycles.ts'
import { checkDuplicates } from './duplicates.ts'
import { fail, type Finding } from './findings.ts'
import { checkImports } from './imports.ts'
import { measure, type Measures } from './measures.ts'
import { checkNames } from './names.ts'
import { checkSideEffects } from './side-effects.ts'
import { checkSizes } from './sizes.ts'
import { checkTables } from './tables.ts'
import { checkTestSmells } from './test-smells.ts'
import { checkTypeEscapes } from './type-escapes.ts'
import { readWorkspace, type Workspace } from './workspace.ts'

/** Every rule takes the whole workspace, so a new one is a file and a line here. */
const rules: readonly ((workspace: Workspace) => Finding[])[] = [
  checkSyntax,
  checkSizes,
  checkImports,
  checkCycles,
  checkNames,
  checkTypeEscapes,
  checkDuplicates,
  checkSideEffects,
  checkTables,
  checkAssetAddresses,
  checkControlFlow,
  checkAmounts,
  checkComments,
  checkTestSmells,
]

export interface Report {
  readonly findings: readonly Finding[]
  readonly measures: readonly Measures[]
}

/** Reads the workspace at `root` and holds it against every rule, in order of path and line. */
export function checkStructure(root: string): Report {
  const workspace = readWorkspace(root)
  const findings = rules.flatMap(rule => rule(workspace))
  return { findings: findings.toSorted(byPlace), measures: measure(workspace) }
}

function checkSyntax(workspace: Workspace): Finding[] {
  return workspace.files.flatMap(file =>
    file.syntaxErrors.map(message => fail(file, 0, 'syntax', message)),
  )
}

function byPlace(one: Finding, other: Finding): number {
  return one.path.localeCompare(other.path) || one.line - other.line
}
