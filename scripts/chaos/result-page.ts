import type { ChaosResult } from './run.ts'

const shownMax = 20

/** The figures of a run, as they are printed. */
export function describeResult(result: ChaosResult, machine: string): string {
  const { judgement, violations, left } = result
  const { tasks, findings } = judgement
  const leftWords = Object.entries(left).map(([name, count]) => `${count} ${name}`)
  const rows: [string, string][] = [
    ['seed', `${result.seed} (--seed ${result.seed} --seconds ${result.seconds})`],
    ['machine', machine],
    ['requests', listOf(result.requests)],
    [
      'tasks',
      `${tasks.accepted} accepted, ${tasks.completed} completed, ${tasks.failed} failed, ` +
        `${tasks.canceled} canceled`,
    ],
    ['failed by', listOf(tasks.reasons)],
    ['people', result.people],
    ['faults', listOf(result.faults)],
    ['broken', `${result.kills} processes killed or told to end, ${result.cuts} links cut`],
    [
      'snapshots',
      `${result.snapshots}, ${result.checks} checks of invariants` +
        ` (${result.missedSnapshots} while Postgres was away)`,
    ],
    ['violations', String(violations.length)],
    ['findings', String(findings.length)],
    [
      'settled in',
      `${(result.settledMs / 1000).toFixed(1)} s` +
        (leftWords.length > 0 ? `, LEFT: ${leftWords.join(', ')}` : ', nothing left'),
    ],
    [
      'provider calls',
      `${judgement.submits} taken on, ${judgement.doubleSubmits} beyond the first of a task`,
    ],
    [
      'open at once',
      Object.entries(judgement.openCalls)
        .map(([name, words]) => `${name} ${words}`)
        .join(', '),
    ],
    [
      'assets',
      `${judgement.assetsFetched} fetched with the recorded bytes, ` +
        `${judgement.orphansRemoved} objects without a row removed`,
    ],
    ['probes', `${judgement.probes} for what is not to be had without a live signature`],
  ]
  const width = Math.max(...rows.map(([title]) => title.length))
  return [
    '',
    ...rows.map(([title, text]) => `  ${title.padEnd(width)}  ${text}`),
    ...violations
      .slice(0, shownMax)
      .map(
        ({ invariant, claim, rows }) => `  VIOLATED ${invariant} ${claim} ${JSON.stringify(rows)}`,
      ),
    ...findings.slice(0, shownMax).map(finding => `  FOUND ${finding}`),
    '',
    result.isSound ? '  Sound.' : '  NOT SOUND.',
  ].join('\n')
}

function listOf(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).toSorted(([a], [b]) => a.localeCompare(b))
  return entries.map(([name, count]) => `${name} ×${count}`).join(', ')
}
