import { cpus, loadavg } from 'node:os'
import { median, type Bound, type Result } from './comparison.ts'

/** The machine and its load at this moment: no figure means anything without. */
export function describeMachine(): string {
  const processors = cpus()
  const load = loadavg()[0]?.toFixed(1) ?? '?'
  const model = processors[0]?.model ?? 'unknown processor'
  return `${processors.length} × ${model}, load ${load}, Node ${process.versions.node}`
}

export function describeResult(result: Result): string {
  const { title, unit, ours, bare, ratios, bound, isNoisy } = result
  const range = `${number(Math.min(...ratios))}–${number(Math.max(...ratios))}`
  const lines = [
    `${verdictOf(result)} ${title}: ${number(median(ratios))}× (${wantedBy(bound)}${range})`,
    `         ours ${number(median(ours.values))} ${unit}  ${ours.name}`,
    `         bare ${number(median(bare.values))} ${unit}  ${bare.name}`,
  ]
  if (isNoisy) lines.push('         noisy: the bare way alone differed by more than 20 %')
  return lines.join('\n')
}

function verdictOf({ bound, isKept }: Result): string {
  if (bound === 'none') return 'told  '
  return isKept ? 'kept  ' : 'MISSED'
}

function wantedBy(bound: Bound): string {
  if (bound === 'none') return ''
  return 'atLeast' in bound ? `≥ ${bound.atLeast}; ` : `≤ ${bound.atMost}; `
}

function number(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toPrecision(2)
}
