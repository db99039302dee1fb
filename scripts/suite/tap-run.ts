import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Parser, type FinalResults } from 'tap-parser'
import { followTap, sumCounts, type Counts, type Failure, type TestNode } from './tap-outcome.ts'
import { toolEnvironment } from './tool.ts'

export interface TapOutcome {
  readonly counts: Counts
  readonly failures: readonly Failure[]
  /** Every file that ended, in order. */
  readonly files: readonly TestNode[]
  /** The end of what the tests wrote to stderr. */
  readonly errorOutput: string
}

export interface TapOptions {
  readonly environment: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** How many files run at once; as many as there are cores when absent. */
  readonly jobs?: number
  /** Called as each file ends. */
  readonly onFile: (file: TestNode) => void
}

const root = join(import.meta.dirname, '../..')
const testFiles = '{libs,services,scripts}/**/test/**/*.test.ts'
const notTests = /(^|\/)(node_modules|\.tap|\.local)(\/|$)/
const failuresMax = 200
const errorOutputCharsMax = 64_000

/** Test files in the tree; with paths, those that are named or lie below a named folder. */
export function findTestFiles(paths: readonly string[]): string[] {
  const all = globSync(testFiles, { cwd: root, exclude: path => notTests.test(path) }).sort()
  if (paths.length === 0) return all
  const wanted = paths.map(path => path.replace(/^\.\//, '').replace(/\/$/, ''))
  return all.filter(file => wanted.some(path => file === path || file.startsWith(`${path}/`)))
}

/**
 * Runs the files with tap. Counts come from the TAP itself;
 * when tap ends badly without a failed test to show for it, that is one failure more.
 */
export async function runTap(files: readonly string[], options: TapOptions): Promise<TapOutcome> {
  const ended: TestNode[] = []
  const failures: Failure[] = []
  const { parser, results } = openParser(test => {
    ended.push(test)
    failures.push(...test.failures.slice(0, failuresMax - failures.length))
    options.onFile(test)
  })
  const { code, errorOutput } = await spawnTap(files, parser, options)
  const { ok } = await results
  const counts = sumCounts(ended.map(file => file.counts))
  const isUnexplained = counts.failed === 0 && (code !== 0 || !ok)
  if (isUnexplained) failures.push({ path: [`tap ended with code ${code}`], diagnosis: {} })
  return {
    counts: isUnexplained ? { ...counts, failed: 1 } : counts,
    failures,
    files: ended,
    errorOutput,
  }
}

function openParser(onFile: (file: TestNode) => void) {
  const { promise: results, resolve } = Promise.withResolvers<FinalResults>()
  const parser = new Parser(resolve)
  followTap(parser, onFile)
  return { parser, results }
}

async function spawnTap(files: readonly string[], parser: Parser, options: TapOptions) {
  const jobs = `--jobs=${options.jobs ?? availableParallelism()}`
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const child = spawn('tap', ['run', '--reporter=tap', jobs, ...files], {
    cwd: root,
    env: toolEnvironment(options.environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errorOutput = ''
  child.stdout.pipe(parser)
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errorOutput = (errorOutput + chunk).slice(-errorOutputCharsMax)
  })
  const stop = () => child.kill()
  options.signal.addEventListener('abort', stop, { once: true })
  child.once('error', reject)
  child.once('close', code => resolve(code ?? 1))
  const code = await promise.finally(() => options.signal.removeEventListener('abort', stop))
  return { code, errorOutput }
}
