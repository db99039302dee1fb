import { runTool, type ToolResult } from './tool.ts'

export interface Stage {
  readonly name: string
  readonly command: readonly string[]
}

// The native compiler knows no components: theirs are checked by vue-tsc on the one before it.
const vueTypes = 'services/web/node_modules/vue-tsc/bin/vue-tsc.js'

/** What is checked without running the product, the quickest to blame first. */
export const stages: readonly Stage[] = [
  { name: 'types', command: ['tsc', '--noEmit', '-p', 'tsconfig.json'] },
  { name: 'types', command: ['node', vueTypes, '--noEmit', '-p', 'services/web/tsconfig.json'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings', '--format=unix'] },
  { name: 'format', command: ['prettier', '--check', '--log-level=warn', '.'] },
  { name: 'structure', command: ['node', 'scripts/check-structure.ts'] },
  { name: 'unused', command: ['knip', '--no-progress', '--no-config-hints'] },
  { name: 'generated', command: ['node', 'scripts/generate.ts', '--check'] },
]

export interface StageOutcome extends ToolResult {
  readonly stage: Stage
  readonly seconds: number
}

export async function runStage(stage: Stage, signal: AbortSignal): Promise<StageOutcome> {
  const startedAt = performance.now()
  const result = await runTool(stage.command, signal)
  return { ...result, stage, seconds: (performance.now() - startedAt) / 1000 }
}
