import t from 'tap'
import { describeCounts, describeFailure, describeSeconds } from '../suite/report.ts'
import { findTestFiles } from '../suite/tap-run.ts'

t.test('a failure shows where it happened, what differed and where from, and no noise', async t => {
  const text = describeFailure({
    path: ['a.test.ts', 'one', 'equal'],
    diagnosis: {
      at: { fileName: 'a.test.ts', lineNumber: 4, columnNumber: 2 },
      diff: '-1\n+2\n',
      stack: 'Test.<anonymous> (a.test.ts:4:2)\n',
      code: 'E_ONE',
      source: 't.equal(1, 2)',
    },
  })

  t.equal(
    text,
    [
      '✗ a.test.ts › one › equal',
      '    at a.test.ts:4:2',
      '    code: E_ONE',
      '    -1',
      '    +2',
      '    Test.<anonymous> (a.test.ts:4:2)',
    ].join('\n'),
  )
})

t.test('a long value in a diagnosis is cut', async t => {
  const text = describeFailure({ path: ['a'], diagnosis: { value: 'x'.repeat(100_000) } })

  t.ok(text.length < 10_000, `${text.length} characters`)
})

t.test('counts and times read as sentences do', async t => {
  const counts = describeCounts({ passed: 12, failed: 0, skipped: 3 })

  t.equal(counts, '12 passed, 0 failed, 3 skipped')
  t.equal(describeSeconds(0.84), '0.8 s')
  t.equal(describeSeconds(84.4), '84 s')
})

t.test('a folder stands for the test files below it and for no neighbour', async t => {
  const files = findTestFiles(['./scripts/test/'])

  t.ok(files.includes('scripts/test/test-report.test.ts'))
  t.ok(files.every(file => file.startsWith('scripts/test/')))
  t.same(findTestFiles(['scripts/tes']), [])
})
