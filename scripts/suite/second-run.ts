import type { TapOutcome } from './tap-run.ts'
import { sumCounts, type TestNode } from './tap-outcome.ts'

/** More failed files than this are a fault of the code, not of a busy machine. */
const filesMax = 3

/** The files of a whole run that are worth a second run, alone: a few that failed, or none. */
export function filesToRepeat({ files, failures }: TapOutcome): string[] {
  const failed = files.filter(({ counts }) => counts.failed > 0).map(({ name }) => name)
  const isExplained = failures.every(({ path }) => failed.includes(path[0] ?? ''))
  return isExplained && failed.length <= filesMax ? failed : []
}

/**
 * The outcome when the files of the second run stand for themselves in the first. What failed
 * beside others and passed alone is flaky: told with its failures, because it is a fault of
 * the test or of the code, but of no change that happens to be tested.
 */
export function takeSecondRun(first: TapOutcome, second: TapOutcome) {
  const repeated = new Map(second.files.map(file => [file.name, file]))
  const hasPassedAlone = (name: string | undefined) => repeated.get(name ?? '')?.counts.failed === 0
  const files = first.files.map((file): TestNode => repeated.get(file.name) ?? file)
  return {
    outcome: {
      files,
      counts: sumCounts(files.map(({ counts }) => counts)),
      failures: first.failures.filter(({ path }) => !hasPassedAlone(path[0])),
      errorOutput: first.errorOutput,
    },
    flaky: first.failures.filter(({ path }) => hasPassedAlone(path[0])),
  }
}
