import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse } from 'yaml'

const workflowsFolder = join(import.meta.dirname, '../../.github/workflows')

export interface Step {
  readonly id?: string
  readonly if?: string
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

/** A job as the file says it; one that calls a workflow has `uses` and no steps. */
export interface Job {
  readonly name?: string
  readonly needs?: string | readonly string[]
  readonly uses?: string
  readonly with?: Readonly<Record<string, unknown>>
  readonly environment?: string
  readonly permissions?: Readonly<Record<string, string>>
  readonly concurrency?: { readonly group: string; readonly 'cancel-in-progress': boolean }
  readonly 'timeout-minutes'?: number
  readonly steps?: readonly Step[]
  readonly strategy?: { readonly matrix: { readonly image?: readonly string[] } }
}

export interface Workflow {
  readonly file: string
  readonly text: string
  readonly on: Readonly<Record<string, unknown>>
  readonly permissions: unknown
  readonly concurrency?: unknown
  readonly jobs: Readonly<Record<string, Job>>
}

export function readWorkflows(folder = workflowsFolder): Workflow[] {
  return globSync('*.yml', { cwd: folder }).map(file => {
    const text = readFileSync(join(folder, file), 'utf8')
    return parseWorkflowText({ file: basename(file), text })
  })
}

export function parseWorkflowText({ file, text }: { file: string; text: string }): Workflow {
  // A form of GitHub's own; whether the file has it is checked by GitHub's parser.
  return { file, text, ...(parse(text) as Omit<Workflow, 'file' | 'text'>) }
}

/** The jobs that must have succeeded before this one begins, near and far. */
export function jobsBefore({ jobs }: Workflow, name: string): Set<string> {
  const before = new Set<string>()
  const open = [name]
  // Each job is opened once: as many rounds as there are jobs.
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const needed of needsOf(jobs[next])) {
      if (!before.has(needed)) open.push(needed)
      before.add(needed)
    }
  }
  return before
}

export function needsOf(job: Job | undefined): readonly string[] {
  if (job?.needs === undefined) return []
  return typeof job.needs === 'string' ? [job.needs] : job.needs
}

/** What a job runs: its own steps, or those of the workflow that it calls. */
export function stepsOf(job: Job, workflows: readonly Workflow[]): readonly Step[] {
  if (job.uses === undefined) return job.steps ?? []
  const called = workflows.find(({ file }) => job.uses === `./.github/workflows/${file}`)
  return Object.values(called?.jobs ?? {}).flatMap(inner => inner.steps ?? [])
}

/** Deploying is what the roll-out script does; pushing an image is what comes before it. */
export function isDeployment(job: Job, workflows: readonly Workflow[]): boolean {
  return stepsOf(job, workflows).some(step => /roll-out\.sh|terraform .*apply/.test(step.run ?? ''))
}
