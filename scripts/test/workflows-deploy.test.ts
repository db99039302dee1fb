import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'

const root = join(import.meta.dirname, '../..')
const tag = 'a'.repeat(40)
const hasJq = spawnSync('bash', ['-c', 'command -v jq']).status === 0
const skip = hasJq ? false : 'there is no jq here, which the runners of GitHub have'

// Every script starts dozens of processes, and a busy machine takes a while over each.
t.setTimeout(300_000)

/** What AWS answers, by the words of the command; whatever is not named gets an empty answer. */
type Answers = Readonly<Record<string, string>>

const wellAnswered: Answers = {
  'ecs list-services': 'arn:service/asset',
  'ecs describe-services': 'arn:task-definition/asset:7',
  'ecs describe-task-definition': `registry/asset:${tag}`,
  'autoscaling describe-instance-refreshes': 'Successful',
}
const task = { cluster: 'c', task_definition: 'migrate', subnets: ['s'], security_groups: ['g'] }
const definition = { family: 'migrate', containerDefinitions: [{ image: 'old' }], status: 'ACTIVE' }
const migration: Answers = {
  'ecs describe-task-definition': JSON.stringify(definition),
  'ecs register-task-definition': 'arn:migrate:8',
  'ecs run-task': 'arn:task/1',
  'ecs describe-tasks': '{"containers":[{"exitCode":0}]}',
}

/** Runs a script of the workflows with stand-ins for aws and terraform, which note their calls. */
function run(
  t: Test,
  script: string,
  { parameters = [''], answers = wellAnswered, inRegistry = false },
) {
  const cases = Object.entries(answers).map(([words, answer]) => `'${words}') echo '${answer}';;`)
  const note = 'echo "$(basename "$0") $*" >> "$(dirname "$0")/calls"'
  const terraform = `case "$*" in *output*) echo '${JSON.stringify(task)}';; esac`
  const docker = `[ "$1" != create ] || echo id; [[ "$*" != *inspect* || ${inRegistry} = true ]]`
  const folder = t.testdir({
    aws: `#!/bin/bash\n${note}\ncase "$1 $2" in ${cases.join(' ')} esac\n`,
    terraform: `#!/bin/bash\n${note}\n${terraform}\n`,
    sleep: '#!/bin/bash\n',
    docker: `#!/bin/bash\n${note}\n${docker}\n`,
    'alarms-staging': '',
  })
  spawnSync('chmod', [
    '+x',
    ...['aws', 'terraform', 'sleep', 'docker'].map(name => join(folder, name)),
  ])
  const env = {
    PATH: `${folder}${delimiter}${process.env['PATH']}`,
    ENVIRONMENT: 'staging',
    ECR_REGISTRY: 'registry',
    IMAGE_TAG: tag,
    GITHUB_SHA: tag,
    RUNNER_TEMP: folder,
  }
  const call = (given: readonly string[]) =>
    spawnSync(join(root, '.github/scripts', script), given, { cwd: root, env, encoding: 'utf8' })
  const results = parameters.map(text => call(text.split(' ').filter(Boolean)))
  const calls = existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8') : ''
  return { statuses: results.map(({ status }) => status), text: results.at(-1)?.stdout, calls }
}

t.test('a rollout runs the commit that it was given, whatever tfvars say', { skip }, async t => {
  const { statuses, calls } = run(t, 'roll-out.sh', { parameters: [tag] })

  t.same(statuses, [0])
  t.match(calls, `-var images={"registry":"registry","tag":"${tag}"}`)
  t.ok(calls.indexOf(' plan ') < calls.indexOf(' apply '))
})

t.test('a service that ECS has taken back fails the rollout', { skip }, async t => {
  const answers = { ...wellAnswered, 'ecs describe-task-definition': 'registry/asset:bbbb' }
  const { statuses, text } = run(t, 'roll-out.sh', { parameters: [tag], answers })

  t.same(statuses, [1])
  t.match(text, 'went back to registry/asset:bbbb')
})

t.test('machines that were not replaced fail the rollout', { skip }, async t => {
  const refresh = 'autoscaling describe-instance-refreshes'
  for (const status of ['RollbackSuccessful', 'Failed', 'InProgress']) {
    const answers = { ...wellAnswered, [refresh]: status }

    t.same(run(t, 'roll-out.sh', { parameters: [tag], answers }).statuses, [1], status)
  }
})

t.test(
  'migrations run with the image of the release, and their failure is one',
  { skip },
  async t => {
    const good = run(t, 'migrate.sh', { answers: migration })
    const bad = run(t, 'migrate.sh', {
      answers: { ...migration, 'ecs describe-tasks': '{"containers":[{"exitCode":1}]}' },
    })
    const killed = run(t, 'migrate.sh', {
      answers: { ...migration, 'ecs describe-tasks': '{"containers":[{}],"stoppedReason":"OOM"}' },
    })

    t.match(good.calls, `registry/migrate:${tag}`)
    t.same([good.statuses, bad.statuses, killed.statuses], [[0], [1], [1]])
    t.match(killed.text, 'OOM')
  },
)

t.test(
  'pages come from the image of the release, and the one that names the parts last',
  async t => {
    const { statuses, calls } = run(t, 'web-site.sh', { parameters: [`${tag} the-bucket`] })
    const copies = calls.split('\n').filter(line => line.startsWith('aws s3 '))

    t.same(statuses, [0])
    t.match(calls, `docker create registry/web:${tag}`)
    t.match(copies[0], /s3:\/\/the-bucket\/site\/assets --recursive .*immutable$/)
    t.match(copies.at(-1), /site\/index\.html .*no-cache/)
    t.notMatch(calls, /--delete/, 'a page that is open finds its parts')
  },
)

t.test('only what was a release can be gone back to', { skip }, async t => {
  const answers = { 'ssm get-parameter-history': `["${tag}"]` }

  t.same(run(t, 'release.sh', { parameters: [`require ${tag}`], answers }).statuses, [0])
  t.same(run(t, 'release.sh', { parameters: ['require bbbb'], answers }).statuses, [1])
})

t.test('an alarm that rang before is no reason to go back; a new one is', { skip }, async t => {
  const alarms = 'cloudwatch describe-alarms'
  const before = run(t, 'watch-alarms.sh', {
    parameters: ['remember', 'watch'],
    answers: { [alarms]: '["funmagic-staging-postgres-cpu"]' },
  })
  const since = run(t, 'watch-alarms.sh', {
    parameters: ['watch'],
    answers: { [alarms]: '["funmagic-staging-5xx-rate"]' },
  })

  t.same(before.statuses, [0, 0])
  t.same(since.statuses, [1])
  t.match(since.text, 'funmagic-staging-5xx-rate')
  t.same(
    run(t, 'watch-alarms.sh', {
      parameters: ['watch'],
      answers: { [alarms]: 'throttled' },
    }).statuses.includes(0),
    false,
  )
})

t.test('an image has the name of its commit, and a name is given once (P25)', async t => {
  const built = run(t, 'build-image.sh', { parameters: ['asset', 'migrate'] })
  const pushed = run(t, 'build-image.sh', { parameters: ['asset --push'] })
  const again = run(t, 'build-image.sh', { parameters: ['asset --push'], inRegistry: true })

  t.match(built.calls, `--build-arg SERVICE=asset --load --tag funmagic/asset:${tag} .`)
  t.match(built.calls, `--target operations --load --tag funmagic/migrate:${tag} .`)
  t.match(pushed.calls, `--push --sbom=true --provenance=mode=max --tag registry/asset:${tag} .`)
  t.notMatch(again.calls, 'buildx build', 'what is there under that name stays as it is')
  t.same(
    [built, pushed, again].flatMap(({ statuses }) => statuses),
    [0, 0, 0, 0],
  )
  t.same(run(t, 'build-image.sh', { parameters: ['asset --puhs'] }).statuses, [2])
})
