// `npm test`: every check and every test. `npm test -- libs/ledger` runs the tests below a path
// and skips the checks; `npm test -- --stage types,lint` runs those stages only (the last is
// called `tests`). In a whole run a few files that fail are run once more, alone: what passes then
// is printed as FLAKY with its failure and counted as passed. The last line is the count:
// `N passed, N failed, N skipped`.
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { watchStopRequests } from './local/stop-requests.ts'
import { describeCounts, describeFailure, describeSeconds } from './suite/report.ts'
import { filesToRepeat, takeSecondRun } from './suite/second-run.ts'
import { runStage, stages, type StageOutcome } from './suite/stages.ts'
import { sumCounts, type Counts, type Failure, type TestNode } from './suite/tap-outcome.ts'
import { findTestFiles, runTap, type TapOutcome } from './suite/tap-run.ts'
import { startTestInfrastructure } from './test-infrastructure.ts'

const testStage = 'tests'
const interruptedCode = 130
const noTests: TapOutcome = {
  counts: { passed: 0, failed: 0, skipped: 0 },
  failures: [],
  files: [],
  errorOutput: '',
}
const flaky: Failure[] = []
const signal = watchStopRequests(() => process.exit(interruptedCode))

const { wanted, paths } = readArguments()
const checks = await runChecks()
const tests = wanted.includes(testStage) && !signal.aborted ? await runTests() : undefined
process.exitCode = conclude()

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { stage: { type: 'string', multiple: true } },
  })
  const known = [...stages.map(({ name }) => name), testStage]
  const named = values.stage?.flatMap(text => text.split(','))
  const unknown = named?.filter(name => !known.includes(name)) ?? []
  if (unknown.length > 0)
    refuse(`Unknown stage: ${unknown.join(', ')}. Stages: ${known.join(', ')}`)
  const absent = positionals.filter(path => !existsSync(path))
  if (absent.length > 0) refuse(`There is no ${absent.join(', ')}.`)
  return { wanted: named ?? (positionals.length > 0 ? [testStage] : known), paths: positionals }
}

function refuse(reason: string): never {
  console.error(reason)
  process.exit(1)
}

async function runChecks(): Promise<StageOutcome[]> {
  const outcomes: StageOutcome[] = []
  for (const stage of stages.filter(({ name }) => wanted.includes(name))) {
    if (signal.aborted) break
    const outcome = await runStage(stage, signal)
    outcomes.push(outcome)
    printLine(outcome.code === 0, stage.name, outcome.seconds)
  }
  return outcomes
}

async function runTests(): Promise<TapOutcome> {
  const files = findTestFiles(paths)
  if (files.length === 0) console.log('There are no test files here.')
  if (files.length === 0) return noTests
  const startedAt = performance.now()
  console.log(`Starting the servers that ${files.length} test files need…`)
  const outcome = await runWithServers(files).catch(asFailure)
  printLine(outcome.counts.failed === 0, testStage, (performance.now() - startedAt) / 1000)
  return outcome
}

async function runWithServers(files: readonly string[]): Promise<TapOutcome> {
  await using infrastructure = await startTestInfrastructure()
  const options = { environment: infrastructure.environment, signal }
  const first = await runTap(files, { ...options, onFile: printFiles(files.length) })
  // Whoever names files wants to know what they do, not whether they may be believed.
  const again = paths.length === 0 && !signal.aborted ? filesToRepeat(first) : []
  if (again.length === 0) return first
  console.log('Running what failed once more, alone:')
  const onFile = printFiles(again.length)
  const second = await runTap(again, { ...options, jobs: 1, onFile })
  const taken = takeSecondRun(first, second)
  flaky.push(...taken.flaky)
  return taken.outcome
}

function printFiles(total: number): (file: TestNode) => void {
  let done = 0
  return ({ name, counts: { passed, failed, skipped } }) => {
    done++
    const mark = failed === 0 ? 'ok    ' : 'FAILED'
    const count = [
      `${passed} passed`,
      failed && `${failed} failed`,
      skipped && `${skipped} skipped`,
    ]
    console.log(`  ${mark} ${done}/${total} ${name}: ${count.filter(Boolean).join(', ')}`)
  }
}

/** Tests that could not be run, or servers that could not be stopped, fail the run too. */
function asFailure(error: unknown): TapOutcome {
  const stack = error instanceof Error ? error.stack : String(error)
  return {
    counts: { passed: 0, failed: 1, skipped: 0 },
    failures: [{ path: ['the tests could not be run'], diagnosis: { stack } }],
    files: [],
    errorOutput: '',
  }
}

function printLine(isGood: boolean, name: string, seconds: number): void {
  console.log(`${isGood ? 'ok    ' : 'FAILED'} ${name} (${describeSeconds(seconds)})`)
}

/** Prints every failure in full and the counts; each check counts as one test. */
function conclude(): number {
  const failedChecks = checks.filter(({ code }) => code !== 0)
  for (const { stage, output } of failedChecks) {
    console.log(`\n✗ ${stage.name}: ${stage.command.join(' ')}\n${output.trimEnd()}`)
  }
  for (const failure of flaky) {
    console.log(`\nFLAKY, failed beside others and passed alone:\n${describeFailure(failure)}`)
  }
  for (const failure of tests?.failures ?? []) console.log(`\n${describeFailure(failure)}`)
  if (tests && tests.counts.failed > 0 && tests.errorOutput !== '') {
    console.log(`\nThe end of what the tests wrote to stderr:\n${tests.errorOutput.trimEnd()}`)
  }
  const checkCounts: Counts = {
    passed: checks.length - failedChecks.length,
    failed: failedChecks.length,
    skipped: 0,
  }
  const counts = sumCounts([checkCounts, tests?.counts ?? noTests.counts])
  if (signal.aborted) console.log('\nInterrupted: not everything ran.')
  console.log(`\n${describeCounts(counts)}`)
  if (signal.aborted) return interruptedCode
  const ranNothing = counts.passed + counts.failed === 0
  return counts.failed > 0 || ranNothing ? 1 : 0
}
