import t from 'tap'
import { Parser } from 'tap-parser'
import { followTap, type TestNode } from '../suite/tap-outcome.ts'

const failed = 'the file fails'

/** The TAP of one file as tap's runner prints it: the body indented, and its closing point. */
function fileTap(...body: string[]): string {
  const lines = body.filter(line => line !== failed)
  const closing = `${body.includes(failed) ? 'not ok' : 'ok'} 1 - a.test.ts # time=9ms`
  return `TAP version 14\n1..1\n# Subtest: a.test.ts\n${indent(lines.join('\n'))}\n${closing}\n`
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ')
}

/** A subtest and its closing point, whose number does not matter to the parser. */
function subtest(name: string, ...body: string[]): string {
  const isOk = !body.some(line => line.startsWith('not ok'))
  return `# Subtest: ${name}\n${indent(body.join('\n'))}\n${isOk ? 'ok' : 'not ok'} - ${name}`
}

function follow(tap: string): TestNode[] {
  const files: TestNode[] = []
  const parser = new Parser()
  followTap(parser, file => files.push(file))
  parser.end(tap)
  return files
}

const cases = [
  {
    title: 'each innermost subtest is one test, however many assertions it makes',
    tap: fileTap(
      subtest('one', 'ok - a', 'ok - b', '1..2'),
      subtest('two', subtest('inner', 'ok - a', '1..1'), subtest('other', 'ok - a', '1..1')),
    ),
    expected: { passed: 3, failed: 0, skipped: 0 },
  },
  {
    title: 'a file that asserts without subtests is one test',
    tap: fileTap('ok - a', 'ok - b', '1..2'),
    expected: { passed: 1, failed: 0, skipped: 0 },
  },
  {
    title: 'a failed subtest counts once',
    tap: fileTap(subtest('one', 'not ok - a', '1..1'), failed),
    expected: { passed: 0, failed: 1, skipped: 0 },
  },
  {
    title: 'a test that tap closes a second time after a late error counts once',
    tap: fileTap(subtest('late', 'not ok - oops', '1..1'), 'not ok - late', failed),
    expected: { passed: 0, failed: 1, skipped: 0 },
  },
  {
    title: 'a file that crashes before any test counts as failed',
    tap: fileTap('1..0 # no tests found', failed),
    expected: { passed: 0, failed: 1, skipped: 0 },
  },
  {
    title: 'a file that crashes after its tests passed counts as failed besides',
    tap: fileTap(subtest('one', 'ok - a', '1..1'), failed),
    expected: { passed: 1, failed: 1, skipped: 0 },
  },
  {
    title: 'a failed assertion beside passing subtests counts as failed',
    tap: fileTap('not ok - own', subtest('one', 'ok - a', '1..1'), failed),
    expected: { passed: 1, failed: 1, skipped: 0 },
  },
  {
    title: 'tests skipped by an option and tests still to be written are skipped, not passed',
    tap: fileTap('ok - a # SKIP no root', 'ok - b # TODO later', subtest('one', 'ok - a', '1..1')),
    expected: { passed: 1, failed: 0, skipped: 2 },
  },
  {
    title: 'a test whose only assertions are skipped is skipped',
    tap: fileTap(subtest('one', 'ok - a # SKIP', '1..1')),
    expected: { passed: 0, failed: 0, skipped: 1 },
  },
  {
    title: 'a test without assertions is skipped',
    tap: fileTap(subtest('one', '1..0')),
    expected: { passed: 0, failed: 0, skipped: 1 },
  },
]

for (const { title, tap, expected } of cases) {
  t.test(title, async t => {
    const files = follow(tap)

    t.match(files, [{ name: 'a.test.ts', counts: expected }])
    t.equal(files[0]?.failures.length, expected.failed, 'each failure is described once')
  })
}

t.test('a failure is described with the way to it and the diagnosis of tap', async t => {
  const diagnosis =
    '  ---\n  at:\n    fileName: a.test.ts\n    lineNumber: 4\n  diff: "-1 +2"\n  ...'

  const [file] = follow(fileTap(subtest('one', 'not ok - equal', diagnosis, '1..1'), failed))

  t.match(file?.failures, [
    {
      path: ['a.test.ts', 'one', 'equal'],
      diagnosis: { at: { fileName: 'a.test.ts', lineNumber: 4 }, diff: '-1 +2' },
    },
  ])
})
