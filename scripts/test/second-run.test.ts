import t from 'tap'
import { filesToRepeat, takeSecondRun } from '../suite/second-run.ts'
import type { TapOutcome } from '../suite/tap-run.ts'

const passed = { passed: 2, failed: 0, skipped: 0 }
const failed = { passed: 1, failed: 1, skipped: 0 }

function outcome(files: Readonly<Record<string, typeof passed>>, others = 0): TapOutcome {
  const nodes = Object.entries(files).map(([name, counts]) => {
    const failures = counts.failed > 0 ? [{ path: [name, 'a test'], diagnosis: {} }] : []
    return { name, counts, failures, children: [] }
  })
  const unexplained = Array.from({ length: others }, () => ({ path: ['tap'], diagnosis: {} }))
  return {
    files: nodes,
    failures: [...nodes.flatMap(node => node.failures), ...unexplained],
    counts: passed,
    errorOutput: '',
  }
}

t.test('up to three failed files are worth a second run; many, or none, are not', async t => {
  const [one, two, three, four] = ['1.ts', '2.ts', '3.ts', '4.ts']

  t.same(filesToRepeat(outcome({ [one]: failed, [two]: passed })), [one])
  t.same(filesToRepeat(outcome({ [one]: passed })), [])
  const many = { [one]: failed, [two]: failed, [three]: failed, [four]: failed }
  t.same(filesToRepeat(outcome(many)), [])
  t.same(filesToRepeat(outcome({ [one]: failed }, 1)), [], 'tap itself failed')
})

t.test('what passes alone is flaky and told; what fails again has failed', async t => {
  const first = outcome({ 'a.ts': passed, 'b.ts': failed, 'c.ts': failed })

  const { outcome: taken, flaky } = takeSecondRun(
    first,
    outcome({ 'b.ts': passed, 'c.ts': failed }),
  )

  t.same(taken.counts, { passed: 5, failed: 1, skipped: 0 })
  t.same(
    taken.failures.map(({ path }) => path[0]),
    ['c.ts'],
  )
  t.same(
    flaky.map(({ path }) => path[0]),
    ['b.ts'],
  )
})

t.test('a file that does not end in the second run keeps its failure', async t => {
  const { outcome: taken, flaky } = takeSecondRun(outcome({ 'a.ts': failed }), outcome({}))

  t.equal(taken.counts.failed, 1)
  t.equal(taken.failures.length, 1)
  t.same(flaky, [])
})
