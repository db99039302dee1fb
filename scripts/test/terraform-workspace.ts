import { execFile, spawn } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

// Runs the real Terraform on a copy of terraform/, so that nothing is left in the tree. Providers
// come from the registry, or without a network from where TF_CLI_CONFIG_FILE says.

/** A resource as a plan or a state has it. */
export interface Resource {
  readonly address: string
  readonly type: string
  readonly values: unknown
}

export interface Outcome {
  readonly code: number
  readonly output: string
}

export interface TestOutcome extends Outcome {
  /** What went wrong, by Terraform's own words; empty when every run passed. */
  readonly faults: readonly string[]
  /** What each run planned or applied, by the run's name. */
  readonly resources: ReadonlyMap<string, readonly Resource[]>
}

// The test runner hooks itself into every Node program below it, which a provider may be and must
// not notice; env takes the hook off again.
const program = ['env', '-u', 'NODE_OPTIONS', 'terraform'] as const
const tree = join(import.meta.dirname, '../..')
const initDeadlineMs = 120_000
const runDeadlineMs = 300_000
const outputCharsMax = 100_000
const noProviders = /Failed to (query available provider packages|install provider)|no such host/

export class TerraformWorkspace implements AsyncDisposable {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** A fresh copy of terraform/; or why Terraform cannot run here. Faults of ours throw. */
  static async open(): Promise<TerraformWorkspace | string> {
    const version = await promisify(execFile)(program[3], ['version']).catch(() => undefined)
    if (version === undefined) return 'there is no terraform on the path'
    const folder = await mkdtemp(join(tmpdir(), 'funmagic-terraform-'))
    const workspace = new TerraformWorkspace(folder)
    await cp(join(tree, 'terraform'), join(folder, 'terraform'), {
      recursive: true,
      // What an installation has locked and downloaded is its own.
      filter: source => !/\.terraform(\.lock\.hcl)?$/.test(source),
    })
    for (const file of ['services/routing.json', 'docker/alloy/config.alloy']) {
      await cp(join(tree, file), join(folder, file))
    }
    const { code, output } = await workspace.init('environments/dev')
    if (code === 0) return workspace
    await workspace[Symbol.asyncDispose]()
    if (noProviders.test(output)) return 'the providers cannot be had (see TF_CLI_CONFIG_FILE)'
    throw new Error(`terraform init failed:\n${output}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** The path of a file of the copy, for tests that break it. */
  pathOf(file: string): string {
    return join(this.#folder, 'terraform', file)
  }

  init(root: string): Promise<Outcome> {
    const parameters = ['init', '-backend=false', '-input=false', '-no-color']
    return this.#run(root, parameters, { deadlineMs: initDeadlineMs })
  }

  validate(root: string): Promise<Outcome> {
    return this.#run(root, ['validate', '-no-color'])
  }

  format(): Promise<Outcome> {
    return this.#run('.', ['fmt', '-check', '-recursive', '-diff', '-no-color'])
  }

  /** Runs the tests of a root, or one file of them. */
  async test(root: string, options: { file?: string; isVerbose?: boolean } = {}) {
    const faults: string[] = []
    const resources = new Map<string, readonly Resource[]>()
    const parameters = ['test', '-json']
    if (options.isVerbose) parameters.push('-verbose')
    if (options.file !== undefined) parameters.push(`-filter=${options.file}`)
    const outcome = await this.#run(root, parameters, {
      onLine: line => {
        const message: unknown = line.startsWith('{') ? JSON.parse(line) : undefined
        if (valueAt(message, '@level') === 'error') faults.push(faultOf(message))
        const found = resourcesOf(message)
        if (found !== undefined) resources.set(String(valueAt(message, '@testrun')), found)
      },
    })
    return { ...outcome, faults, resources } satisfies TestOutcome
  }

  #run(
    root: string,
    parameters: readonly string[],
    options: { deadlineMs?: number; onLine?: (line: string) => void } = {},
  ): Promise<Outcome> {
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
    const [command, ...prefix] = program
    const child = spawn(command, [...prefix, ...parameters], {
      cwd: this.pathOf(root),
      env: { ...process.env, CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), options.deadlineMs ?? runDeadlineMs)
    let output = ''
    const keep = (text: string) => {
      output = (output + text).slice(-outputCharsMax)
    }
    // A line with a plan is some 16 MB long, nearly all of it schemas: it is read and not kept.
    createInterface({ input: child.stdout }).on(
      'line',
      options.onLine ?? (line => keep(`${line}\n`)),
    )
    child.stderr.setEncoding('utf8').on('data', keep)
    child.once('error', reject)
    child.once('close', code => resolve({ code: code ?? 1, output }))
    return promise.finally(() => clearTimeout(timer))
  }
}

/** What is at a path of parsed JSON, or undefined. */
export function valueAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found: unknown = value
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined
    found = Object.entries(found).find(([name]) => name === String(key))?.[1]
  }
  return found
}

/** The elements of a list of parsed JSON; of anything else, none. */
export function elementsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function faultOf(message: unknown): string {
  const { summary, detail } = {
    summary: valueAt(message, 'diagnostic', 'summary') ?? valueAt(message, '@message'),
    detail: valueAt(message, 'diagnostic', 'detail') ?? '',
  }
  return `${String(valueAt(message, '@testrun') ?? '')}: ${String(summary)} ${String(detail)}`
}

function resourcesOf(message: unknown): Resource[] | undefined {
  const applied = valueAt(message, 'test_state', 'root_module', 'resources')
  const planned = valueAt(message, 'test_plan', 'resource_changes')
  if (applied === undefined && planned === undefined) return undefined
  return elementsOf(applied ?? planned).map(resource => ({
    address: String(valueAt(resource, 'address')),
    type: String(valueAt(resource, 'type')),
    values: valueAt(resource, 'values') ?? valueAt(resource, 'change', 'after'),
  }))
}
