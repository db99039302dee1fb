import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import { describeConfig, type SettingDescription } from '../../libs/runtime/src/config.ts'
import { AssetConfig } from '../../services/asset/src/config.ts'
import { AuthConfig } from '../../services/auth/src/config.ts'
import { CreditConfig } from '../../services/credit/src/config.ts'
import { ProgressConfig } from '../../services/progress/src/config.ts'
import { WorkerConfig } from '../../services/provider-worker/src/config.ts'
import { GatewayConfig } from '../../services/task-gateway/src/config.ts'
import { elementsOf, valueAt } from './terraform-workspace.ts'

// What can be said of the Terraform files without Terraform: they keep the house style, and they
// agree with the code that they run.
const root = join(import.meta.dirname, '../..')
const files = globSync('terraform/**/*.tf', { cwd: root })
const environments = ['dev', 'staging', 'production']

const configs: Readonly<Record<string, readonly SettingDescription[]>> = {
  asset: describeConfig(AssetConfig),
  auth: describeConfig(AuthConfig),
  credit: describeConfig(CreditConfig),
  progress: describeConfig(ProgressConfig),
  'provider-worker': describeConfig(WorkerConfig),
  'task-gateway': describeConfig(GatewayConfig),
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

function parse(path: string): unknown {
  return JSON.parse(read(path))
}

t.test('environments differ in their tfvars and the place of their state only', async t => {
  const [first = '', ...others] = environments
  for (const path of globSync(`terraform/environments/${first}/**/*.{tf,hcl}`, { cwd: root })) {
    if (basename(path) === 'backend.hcl') continue
    for (const other of others) {
      const twin = path.replace(`/${first}/`, `/${other}/`)
      t.equal(read(twin), read(path), `${twin} is ${path}`)
    }
  }
  for (const environment of environments) {
    const lines = read(`terraform/environments/${environment}/main.tf`).split('\n').length
    t.ok(lines <= 81, `main.tf of ${environment} has ${lines - 1} lines`)
    t.match(read(`terraform/environments/${environment}/backend.hcl`), `"${environment}/`)
  }
  t.match(read('terraform/environments/dev/backend.tf'), /use_lockfile = true/)
})

t.test('everything is in us-east-2, but for what CloudFront takes from us-east-1', async t => {
  const roots = ['terraform/account', ...environments.map(name => `terraform/environments/${name}`)]
  for (const folder of roots) {
    const providers = read(`${folder}/versions.tf`)
      .split(/^provider "aws" \{$/m)
      .slice(1)
    const regions = providers.map(text => /^ +region += "(.+)"$/m.exec(text)?.[1])
    const aliases = providers.map(text => /^ +alias += "(.+)"$/m.exec(text)?.[1])

    t.equal(regions[0], 'us-east-2', folder)
    t.equal(aliases[0], undefined, folder)
    for (const [index, alias] of aliases.entries()) {
      if (alias === 'us_east_1') t.equal(regions[index], 'us-east-1', folder)
    }
  }
  const certificates = read('terraform/modules/edge/certificates.tf')
  t.match(certificates, /"aws_acm_certificate" "[a-z]+" \{\n +provider = aws\.us_east_1/)
})

t.test('network and data are told nothing of what runs', async t => {
  const main = read('terraform/environments/dev/main.tf')
  for (const module of ['network', 'data']) {
    const start = main.indexOf(`module "${module}"`)
    const inputs = main.slice(start, main.indexOf('\n}\n', start))

    t.ok(start > 0 && inputs.includes('source'), `there is ${module}`)
    t.notMatch(inputs, /beta_services|stable|images|module\.compute|module\.observability/)
  }
})

t.test('files are short, and variables few, typed and described', async t => {
  for (const file of files) {
    const lines = read(file).split('\n').length - 1
    t.ok(lines <= 200, `${file} has ${lines} lines`)
    t.notMatch(read(file), /variable "create_/, `${file} has no create_ flags`)
  }
  for (const file of files.filter(path => basename(path) === 'variables.tf')) {
    const variables = read(file)
      .split(/^variable /m)
      .slice(1)
    t.ok(variables.length <= 15, `${file} has ${variables.length} variables`)
    for (const variable of variables) {
      t.match(variable, /^ {2}description = ".+"$/m, `${file}: ${variable.split('\n')[0]}`)
      t.match(variable, /^ {2}type +=/m, `${file}: ${variable.split('\n')[0]}`)
    }
  }
  const outputs = globSync('terraform/**/outputs.tf', { cwd: root })
  for (const file of outputs) {
    for (const output of read(file)
      .split(/^output /m)
      .slice(1)) {
      t.match(output, /^ {2}description = ".+"$/m, `${file}: ${output.split('\n')[0]}`)
    }
  }
})

t.test('modules keep to themselves', async t => {
  for (const file of files.filter(path => path.includes('/modules/'))) {
    t.notMatch(read(file), /^provider "|terraform_remote_state/m, file)
  }
})

t.test('no policy allows an action with a wildcard, wherever it is', async t => {
  let denials = 0
  for (const file of files) {
    const lines = read(file).split('\n')
    for (const [index, line] of lines.entries()) {
      if (!/"[a-z0-9-]+:[A-Za-z]*\*"/.test(line)) continue
      const before = lines.slice(Math.max(0, index - 3), index).join('\n')
      t.match(before, /Effect += "Deny"/, `${file}:${index + 1} ${line.trim()}`)
      denials++
    }
  }
  t.ok(denials >= 3, 'requests without TLS are refused for every action')
})

t.test('what must not be lost cannot be destroyed by a plan', async t => {
  const resources = ['"aws_db_instance" "postgres"', '"aws_s3_bucket" "this"']
  const text = files
    .filter(path => path.includes('/modules/data/'))
    .map(read)
    .join('\n')
  for (const resource of resources) {
    const start = text.indexOf(`resource ${resource}`)
    const end = text.indexOf('\n}\n', start)
    t.match(text.slice(start, end), /prevent_destroy = true/, resource)
  }
})

/** What the services are told that is no secret, by the environment and by the compute module. */
function plainSettings(): string[] {
  const settings = read('terraform/environments/dev/settings.tf')
  const named = [...settings.matchAll(/^ {4,}([A-Z][A-Z0-9_]+) +=/gm)].map(([, name = '']) => name)
  const byCompute = ['HOST', 'PORT', 'SERVED_BY', 'TRUSTED_PROXIES']
  return [...named, ...byCompute]
}

t.test(
  'every service is given what its configuration requires, and each secret as one',
  async t => {
    const services = parse('terraform/services.json')
    const routed = valueAt(parse('services/routing.json'), 'services')
    t.same(Object.keys(Object(services)).sort(), Object.keys(Object(routed)).sort())
    const plain = plainSettings()

    for (const [service, described] of Object.entries(configs)) {
      const secrets = elementsOf(valueAt(services, service, 'secrets')).map(String)
      for (const { variable, isRequired, isSecret } of described) {
        const isGiven = secrets.includes(variable) || plain.includes(variable)
        if (isRequired) t.ok(isGiven, `${service} is given ${variable}`)
        if (isSecret)
          t.notOk(plain.includes(variable), `${variable} is not in the plain environment`)
      }
      const known = described.map(({ variable }) => variable)
      for (const secret of secrets) t.ok(known.includes(secret), `${service} reads ${secret}`)
    }
  },
)

t.test('every optional secret of a schema is known to services.json, and no other one', async t => {
  const services = parse('terraform/services.json')
  const notInAws = ['S3_SECRET_KEY']

  for (const [service, described] of Object.entries(configs)) {
    const given = elementsOf(valueAt(services, service, 'secrets')).map(String)
    const optional = described
      .filter(({ isSecret, isRequired }) => isSecret && !isRequired)
      .map(({ variable }) => variable)
      .filter(variable => !given.includes(variable) && !notInAws.includes(variable))

    t.same(elementsOf(valueAt(services, service, 'optional_secrets')), optional.sort(), service)
  }
})

t.test('every setting without a default is given, or is for a laptop', async t => {
  const plain = plainSettings()
  const forLaptops = [
    'CLOUDFRONT_ENDPOINT',
    'COOKIE_DOMAIN',
    'PROVIDER_SIMULATORS_URL',
    'S3_ACCESS_KEY',
    'S3_ENDPOINT',
    'S3_PUBLIC_ENDPOINT',
  ]
  const known = Object.values(configs).flat()

  for (const { variable, isSecret, ...setting } of known) {
    if (isSecret || setting.default !== undefined) continue
    t.not(plain.includes(variable), forLaptops.includes(variable), variable)
  }
  for (const name of plain.filter(name => !/^(NODE|OTEL)_/.test(name))) {
    t.ok(
      known.some(({ variable }) => variable === name),
      `a service reads ${name}`,
    )
  }
})

t.test('what alarms and scaling look at is kept by the collector, and measured', async t => {
  const collector = read('terraform/modules/compute/collector.yaml.tftpl')
  const [, kept = ''] = /source_labels: \[__name__\][^]*?regex: (\S+)/.exec(collector) ?? []
  const pattern = new RegExp(`^(?:${kept})$`)
  const sources = globSync('{libs,services}/*/src/**/*.ts', { cwd: root }).map(read).join('\n')
  const text = globSync('terraform/modules/{observability,compute}/*.tf', { cwd: root })
    .map(read)
    .join('\n')
  // AWS's own are in capitals.
  const found = [...text.matchAll(/\bmetric(?:_name)? += "([a-z]+(?:_[a-z]+)+)"/g)]
  const names = new Set(found.map(([, name = '']) => name))

  t.ok(names.size >= 12, [...names].join(', '))
  for (const name of names) {
    t.match(name, pattern, `${name} is kept`)
    t.ok(sources.includes(`'${name}'`), `${name} is measured`)
  }
})

t.test('every module says what it is', async t => {
  const modules = globSync('terraform/modules/*/versions.tf', { cwd: root }).map(dirname)
  t.equal(modules.length, 7)
  for (const module of modules) {
    t.ok(read(`${module}/README.md`).split('\n').length <= 40, `${module}/README.md`)
    t.ok(globSync(`${module}/tests/*.tftest.hcl`, { cwd: root }).length > 0, `${module} has tests`)
  }
})
