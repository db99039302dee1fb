import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { valueAt } from './terraform-workspace.ts'
import {
  isDeployment,
  jobsBefore,
  needsOf,
  parseWorkflowText,
  readWorkflows,
  stepsOf,
  type Job,
  type Workflow,
} from './workflow-graph.ts'

const root = join(import.meta.dirname, '../..')
const workflows = readWorkflows()
const jobs = workflows.flatMap(workflow =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ workflow, name, job })),
)
const whole = `on: push\njobs:\n  test:\n    uses: ./.github/workflows/test.yml\n`

/** What would reach an environment without having been tested. */
function untested(workflow: Workflow): string[] {
  // What can only be called is tested by its caller, which is looked at by itself.
  if (Object.keys(workflow.on).join() === 'workflow_call') return []
  const runs = (job: Job, pattern: RegExp) =>
    stepsOf(job, workflows).some(step => pattern.test(step.run ?? ''))
  const isTest = (name: string) => runs(workflow.jobs[name] ?? {}, /\.ci\/run/)
  // An earlier release was tested when it was new, and the called workflow refuses anything else.
  const isEarlierRelease = (job: Job) =>
    job.with?.['redeploy'] === true && runs(job, /release\.sh require/)
  return Object.entries(workflow.jobs)
    .filter(([, job]) => isDeployment(job, workflows) || runs(job, /--push/))
    .filter(([name]) => ![...jobsBefore(workflow, name)].some(isTest))
    .filter(([, job]) => !isEarlierRelease(job))
    .map(([name]) => name)
}

t.test('GitHub’s own parser finds no fault in any workflow', async t => {
  // The parser imports its schema as GitHub's bundler allows, without naming its type.
  const hooks = registerHooks({
    load: (url, context, next) =>
      next(
        url,
        url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context,
      ),
  })
  t.teardown(() => hooks.deregister())
  const parser = await import('@actions/workflow-parser')
  const faultsOf = async (file: { name: string; content: string }) => {
    const { context, value } = parser.parseWorkflow(file, quiet)
    if (value) await parser.convertWorkflowTemplate(context, value)
    return context.errors.getErrors().map(({ message }) => message)
  }
  const quiet = new parser.NoOperationTraceWriter()

  for (const { file, text } of workflows) {
    t.same(await faultsOf({ name: file, content: text }), [])
  }
  t.match(await faultsOf({ name: 'broken', content: 'on: push\njobs:\n  a:\n    stepz: []\n' }), [
    /stepz/,
  ])
})

t.test('every job has a deadline and least permissions', async t => {
  for (const { file, permissions } of workflows) t.same(permissions, {}, `${file} begins with none`)
  for (const { workflow, name, job } of jobs) {
    const where = `${workflow.file} ${name}`
    t.ok(job.permissions, `${where} names its permissions`)
    t.not(job.permissions?.['contents'], 'write', `${where} does not write to the repository`)
    if (job.uses === undefined) {
      t.ok((job['timeout-minutes'] ?? Infinity) <= 120, `${where} has a deadline`)
    }
  }
})

t.test('every job that a job needs exists', async t => {
  for (const { workflow, name, job } of jobs) {
    for (const needed of needsOf(job)) t.ok(workflow.jobs[needed], `${name} needs ${needed}`)
  }
})

t.test('nothing is pushed or deployed untested', async t => {
  for (const workflow of workflows) t.same(untested(workflow), [], workflow.file)

  const deploy = workflows.find(({ file }) => file === 'deploy.yml')
  const deployments = Object.values(deploy?.jobs ?? {}).filter(job => isDeployment(job, workflows))
  t.equal(deployments.length, 3, 'the three environments are seen as deployments')
})

t.test('a deployment that forgets its tests is noticed', async t => {
  const call = 'uses: ./.github/workflows/deploy-environment.yml'
  const forgotten = parseWorkflowText({ file: 'x.yml', text: `${whole}  dev:\n    ${call}\n` })
  const remembered = parseWorkflowText({
    file: 'x.yml',
    text: `${whole}  dev:\n    needs: test\n    ${call}\n`,
  })
  const push = '  images:\n    steps:\n      - run: build-image.sh a --push\n'

  t.same(untested(forgotten), ['dev'])
  t.same(untested(remembered), [])
  t.same(untested(parseWorkflowText({ file: 'x.yml', text: whole + push })), ['images'])
})

t.test('dev comes before staging, and staging and an approval before production', async t => {
  const deploy = workflows.find(({ file }) => file === 'deploy.yml')
  const environment = workflows.find(({ file }) => file === 'deploy-environment.yml')
  if (!deploy || !environment) return t.fail('the workflows are there')

  t.match([...jobsBefore(deploy, 'staging')].sort(), ['dev', 'images', 'test'])
  t.ok(
    ['test', 'images', 'dev', 'staging', 'approval-is-required'].every(name =>
      jobsBefore(deploy, 'production').has(name),
    ),
  )
  t.equal(deploy.jobs['production']?.with?.['environment'], 'production')
  t.equal(environment.jobs['deploy']?.environment, '${{ inputs.environment }}')
  t.match(deploy.jobs['approval-is-required']?.steps?.[0]?.run, 'required_reviewers')
})

t.test('migrations run before anything new does, and a failure brings the old back', async t => {
  const environment = workflows.find(({ file }) => file === 'deploy-environment.yml')
  const steps = environment?.jobs['deploy']?.steps ?? []
  const positionOf = (pattern: RegExp) => steps.findIndex(step => pattern.test(step.run ?? ''))
  const order = [
    /watch-alarms\.sh remember/,
    /release\.sh require/,
    /migrate\.sh/,
    /roll-out\.sh "\$IMAGE_TAG"/,
    /npm run doctor/,
    /watch-alarms\.sh watch/,
    /release\.sh record/,
    /roll-out\.sh "\$PREVIOUS_TAG"/,
  ].map(positionOf)

  t.notOk(order.includes(-1))
  t.same(
    order,
    order.toSorted((a, b) => a - b),
  )
  t.equal(steps[positionOf(/release\.sh require/)]?.if, 'inputs.redeploy')
  t.match(steps.at(-1)?.if, '!success()')
  t.match(environment?.jobs['deploy']?.concurrency, { 'cancel-in-progress': false })
})

t.test('every action is pinned to a commit, with its version beside it', async t => {
  const uses = workflows.flatMap(({ file, text }) =>
    [...text.matchAll(/uses: (\S+)(.*)/g)].map(([, action = '', rest = '']) => ({
      file,
      action,
      rest,
    })),
  )
  t.ok(uses.length > 20)
  for (const { file, action, rest } of uses.filter(({ action }) => !action.startsWith('./'))) {
    t.match(action, /@[0-9a-f]{40}$/, `${file}: ${action}`)
    t.match(rest, /^ # v\d+\.\d+\.\d+$/, `${file}: ${action} names its version`)
  }
})

t.test('no key of AWS is kept: every credential comes by OIDC', async t => {
  for (const { file, text } of workflows) {
    t.notMatch(text, /aws-access-key-id|aws-secret-access-key|AWS_SECRET|AKIA/i, file)
  }
  for (const { workflow, name, job } of jobs) {
    const asks = (job.steps ?? []).some(step => step.uses?.startsWith('aws-actions/configure'))
    t.equal(job.permissions?.['id-token'] === 'write', asks || isDeployment(job, workflows), name)
    if (asks) t.match(workflow.text, 'role-to-assume')
  }
})

t.test('code of strangers meets no secrets, and text of strangers meets no shell', async t => {
  for (const { file, on, text } of workflows) {
    t.notOk('pull_request_target' in on || 'workflow_run' in on, file)
    t.equal(text.split('persist-credentials: false').length, text.split('actions/checkout@').length)
  }
  for (const { workflow, name, job } of jobs) {
    for (const { run = '' } of job.steps ?? []) t.notMatch(run, '${{', `${workflow.file} ${name}`)
  }
  const plan = jobs.find(({ name, workflow }) => name === 'plan' && workflow.file === 'ci.yml')
  t.match(plan?.workflow.text, 'head.repo.full_name == github.repository')
})

t.test('each workflow begins when it should (P23)', async t => {
  const beginnings = Object.fromEntries(
    workflows.map(({ file, on }) => [file, Object.keys(on).sort()]),
  )

  t.same(beginnings, {
    'ci.yml': ['pull_request'],
    'deploy-environment.yml': ['workflow_call'],
    'deploy.yml': ['push'],
    'drift.yml': ['schedule', 'workflow_dispatch'],
    'roll-back.yml': ['workflow_dispatch'],
    'scan.yml': ['push', 'schedule', 'workflow_dispatch'],
    'test.yml': ['workflow_call'],
  })
  for (const { file, on } of workflows) {
    if ('push' in on) t.same(valueAt(on['push'], 'branches'), ['main'], file)
  }
})

t.test(
  'an image is built, scanned and pushed for every service, the migrations and the site',
  async t => {
    const routing = JSON.parse(readFileSync(join(root, 'services/routing.json'), 'utf8'))
    const expected = [...Object.keys(routing.services), 'migrate', 'web'].sort()
    const matrices = jobs.filter(({ name }) => name === 'images')

    t.equal(matrices.length, 3)
    for (const { job, workflow } of matrices) {
      t.same([...(job.strategy?.matrix.image ?? [])].sort(), expected, workflow.file)
      t.ok(job.steps?.some(step => step.uses?.startsWith('aquasecurity/trivy-action@')))
    }
  },
)

t.test(
  'every script that a workflow runs is there, executable and free of syntax faults',
  async t => {
    const named = workflows.flatMap(
      ({ text }) => text.match(/\.github\/scripts\/[\w-]+\.sh/g) ?? [],
    )
    const scripts = globSync('.github/scripts/*.sh', { cwd: root })

    t.same(
      [...new Set(named)].filter(path => !existsSync(join(root, path))),
      [],
    )
    for (const path of scripts) {
      t.ok(statSync(join(root, path)).mode & 0o100, `${path} is executable`)
      t.match(readFileSync(join(root, path), 'utf8'), 'set -euo pipefail')
      t.equal(spawnSync('bash', ['-n', join(root, path)]).status, 0, path)
    }
  },
)

t.test('nothing is planned or applied but with the providers that are locked', async t => {
  const inits = globSync('.github/scripts/*.sh', { cwd: root }).flatMap(path =>
    [
      ...readFileSync(join(root, path), 'utf8').matchAll(
        /^terraform .*\binit\b.*$|^ +terraform .*\binit\b.*$/gm,
      ),
    ].map(([line]) => `${path}: ${line}`),
  )

  t.ok(inits.length >= 3)
  for (const line of inits) t.match(line, / init .*-lockfile=readonly /)
})

t.test('dependabot looks after packages, actions, images and providers', async t => {
  const { updates } = parse(readFileSync(join(root, '.github/dependabot.yml'), 'utf8'))
  const ecosystems = updates.map((update: Record<string, unknown>) => update['package-ecosystem'])

  t.same(ecosystems.sort(), ['docker', 'github-actions', 'npm', 'terraform'])
})
