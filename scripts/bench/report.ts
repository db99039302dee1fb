import { cpus, loadavg } from 'node:os'
import { median, type Result } from './comparison.ts'

/** The machine and its load at this moment: no figure means anything without. */
export function describeMachine(): string {
  const processors = cpus()
  const load = loadavg()[0]?.toFixed(1) ?? '?'
  const model = processors[0]?.model ?? 'unknown processor'
  return `${processors.length} × ${model}, load ${load}, Node ${process.versions.node}`
}

export function describeResult(result: Result): string {
  const { title, unit, ours, bare, ratios, bound, isKept, isNoisy } = result
  const wanted = 'atLeast' in bound ? `≥ ${bound.atLeast}` : `≤ ${bound.atMost}`
  const range = `${number(Math.min(...ratios))}–${number(Math.max(...ratios))}`
  const lines = [
    `${isKept ? 'kept  ' : 'MISSED'} ${title}: ${number(median(ratios))}× (${wanted}; ${range})`,
    `         ours ${number(median(ours.values))} ${unit}  ${ours.name}`,
    `         bare ${number(median(bare.values))} ${unit}  ${bare.name}`,
  ]
  if (isNoisy) lines.push('         noisy: the bare way alone differed by more than 20 %')
  return lines.join('\n')
}

function number(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toPrecision(2)
}
