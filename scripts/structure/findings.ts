import type { SourceFile } from './workspace.ts'
import { lineAt } from './syntax.ts'

export type Rule =
  | 'adjacent-parameters'
  | 'any'
  | 'arrow-export'
  | 'asset-address'
  | 'banner'
  | 'barrel'
  | 'cast'
  | 'commented-code'
  | 'default-export'
  | 'dependency-fields'
  | 'drawer-name'
  | 'duplicate'
  | 'emoji'
  | 'environment'
  | 'file-length'
  | 'file-name'
  | 'float-amount'
  | 'forwarding'
  | 'function-length'
  | 'history'
  | 'import-cycle'
  | 'import-table'
  | 'line-width'
  | 'lost-cause'
  | 'no-assertion'
  | 'non-null'
  | 'own-mock'
  | 'package-measure'
  | 'package-scripts'
  | 'parameters'
  | 'praise'
  | 'sleep'
  | 'swallowed-error'
  | 'syntax'
  | 'table-owner'
  | 'test-length'
  | 'test-only'
  | 'test-skip'
  | 'test-title'
  | 'testing-export'
  | 'todo'
  | 'top-level-effect'
  | 'ts-ignore'
  | 'unbounded-loop'
  | 'unbounded-promises'
  | 'vendor-door'

/** One place that breaks a rule of the house style. A warning does not fail the build. */
export interface Finding {
  readonly path: string
  readonly line: number
  readonly rule: Rule
  readonly message: string
  readonly severity: 'fail' | 'warn'
}

/** A finding at an offset of a source file. */
export function fail(file: SourceFile, offset: number, rule: Rule, message: string): Finding {
  return { path: file.path, line: lineAt(file, offset), rule, message, severity: 'fail' }
}

export function warn(file: SourceFile, offset: number, rule: Rule, message: string): Finding {
  return { ...fail(file, offset, rule, message), severity: 'warn' }
}

/** A finding about a file that is not source, or about a whole folder. */
export function failAt(path: string, rule: Rule, message: string): Finding {
  return { path, line: 1, rule, message, severity: 'fail' }
}

export function warnAt(path: string, rule: Rule, message: string): Finding {
  return { ...failAt(path, rule, message), severity: 'warn' }
}
