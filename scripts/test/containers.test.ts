import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { describeConfig, loadConfig } from '@funmagic/runtime/config'
import { loadRouting } from '@funmagic/simulators/routing'
import { readSettings } from '../../libs/simulators/src/settings.ts'
import { composeEnvironment } from '../compose/environment.ts'
import {
  environmentOf,
  placeholdersOf,
  readCompose,
  readDotEnv,
  secondsOf,
  type ComposeService,
} from './compose-file.ts'

const root = join(import.meta.dirname, '../..')
const files = ['docker-compose.yml', 'docker/ec2/compose.yml'] as const
const routing = await loadRouting()
const names = Object.keys(routing.services)

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

const packagePattern = /from '(@[a-z-]+\/[a-z-]+|[a-z-]+)[/']/g

/** The script and those that it imports, and so on. */
function importedFiles(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file) || !file.startsWith('scripts/')) return found
  found.add(file)
  for (const [, path = ''] of read(file).matchAll(/from '(\.{1,2}\/[^']+)'/g)) {
    importedFiles(join(dirname(file), path), found)
  }
  return found
}

/** Every service of routing.json in every Compose file. */
function everyService(): { where: string; name: string; service: ComposeService }[] {
  return files.flatMap(file => {
    const services = readCompose(join(root, file))
    return names.map(name => ({ where: `${name} in ${file}`, name, service: services[name] ?? {} }))
  })
}

async function schemaOf(name: string) {
  const exports = Object.entries(await import(`../../services/${name}/src/config.ts`))
  const [, schema] = exports.find(([key]) => key.endsWith('Config')) ?? []
  return schema as Parameters<typeof describeConfig>[0]
}

t.test(
  'every service runs in both Compose files, without privileges and on a read-only disk',
  async t => {
    for (const { where, service } of everyService()) {
      t.match(service.image, /./, where)
      t.equal(service.read_only, true, `${where} has a read-only file system`)
      t.same(service.cap_drop, ['ALL'], `${where} has no capabilities`)
      t.same(service.security_opt, ['no-new-privileges:true'], where)
      t.match(service.tmpfs?.[0], /^\/tmp/, `${where} may write to /tmp`)
      t.equal(service.init, true, `${where} has an init`)
      t.equal(service.restart, 'unless-stopped', where)
      t.notOk(service.ports, `${where} is reached through the front alone`)
    }
  },
)

t.test('every service listens where routing.json says, and its health is asked there', async t => {
  const check = read('docker/health-check.mjs')
  for (const { where, name, service } of everyService()) {
    t.equal(service.environment?.['PORT'], routing.services[name]?.port, where)
    t.same(service.healthcheck?.test, ['CMD', 'node', '/app/health-check.mjs'], where)
    t.ok(check.includes(`\${process.env.PORT}${routing.services[name]?.healthPath}`), where)
  }
})

t.test('a stopped container is given longer than Node takes to close', async t => {
  const source = read('libs/runtime/src/lifecycle.ts')
  const [, digits = ''] = /^const closeDeadlineMs = ([\d_]+)$/m.exec(source) ?? []
  const closeSeconds = Number(digits.replaceAll('_', '')) / 1000
  t.ok(closeSeconds > 0, 'the deadline is read')
  for (const { where, service } of everyService()) {
    t.ok(secondsOf(service.stop_grace_period) >= closeSeconds + 5, where)
  }
})

t.test(
  'every service is given all that its schema requires, and nothing it does not know',
  async t => {
    for (const { where, name, service } of everyService()) {
      const settings = describeConfig(await schemaOf(name))
      const given = Object.keys(service.environment ?? {})
      const required = settings.filter(({ isRequired }) => isRequired)

      for (const { variable } of required) t.ok(given.includes(variable), `${where}: ${variable}`)
      for (const variable of given) {
        const isKnown = settings.some(setting => setting.variable === variable)
        t.ok(isKnown, `${where} reads ${variable}`)
      }
    }
  },
)

t.test('every setting without a default reaches its service, in both Compose files', async t => {
  for (const { where, name, service } of everyService()) {
    const given = Object.keys(service.environment ?? {})
    const settings = describeConfig(await schemaOf(name))
    const withoutDefault = settings.filter(setting => setting.default === undefined)
    for (const { variable } of withoutDefault)
      t.ok(given.includes(variable), `${where}: ${variable}`)
  }
})

t.test('in Compose credits can be bought, and providers call back', async t => {
  const variables = readDotEnv(composeEnvironment(8080))
  const services = readCompose(join(root, 'docker-compose.yml'))
  const of = (name: string) => environmentOf(services[name] ?? {}, variables)
  const simulators = readSettings(of('simulators'))
  const edge = `http://simulators:${simulators.edgePort}`
  const providers = `http://simulators:${simulators.providersPort}`

  t.equal(of('credit')['STRIPE_API_URL'], `http://simulators:${simulators.stripePort}`)
  t.match(of('credit')['STRIPE_SECRET_KEY'], /^sk_/)
  t.equal(of('credit')['STRIPE_WEBHOOK_SECRET'], simulators.stripeWebhook?.secret)
  t.equal(of('task-gateway')['REPLICATE_WEBHOOK_SECRET'], simulators.replicateSecret)
  t.equal(of('task-gateway')['FAL_WEBHOOK_JWKS_URL'], `${providers}/fal/.well-known/jwks.json`)
  t.equal(of('provider-worker')['PROVIDER_CALLBACK_URL'], edge)
  t.equal(of('task-gateway')['PROVIDER_SIMULATORS_URL'], of('seed')['SIMULATORS_URL'])
  const published = services['simulators']?.ports ?? []
  for (const name of ['EDGE', 'CDN', 'PRIVATE_CDN', 'PROVIDERS', 'STRIPE']) {
    t.ok(published.includes(`127.0.0.1:\${${name}_PORT:?}:\${${name}_PORT:?}`), name)
  }
})

t.test('what compose-env writes starts every service and the simulators', async t => {
  const variables = readDotEnv(composeEnvironment(8080))
  const services = readCompose(join(root, 'docker-compose.yml'))
  for (const name of names) {
    const environment = environmentOf(services[name] ?? {}, variables)
    const schema = await schemaOf(name)

    t.doesNotThrow(() => loadConfig(schema, environment), name)
  }
  const settings = readSettings(environmentOf(services['simulators'] ?? {}, variables))
  const ports = Object.entries(settings.stable).map(([name, urls]) => [name, urls[0]])

  t.same(
    Object.fromEntries(ports),
    Object.fromEntries(names.map(name => [name, `http://${name}:${routing.services[name]?.port}`])),
  )
})

t.test('compose-env writes every variable that docker-compose.yml must have', async t => {
  const written = Object.keys(readDotEnv(composeEnvironment(8080)))
  const text = read('docker-compose.yml') + read('docker/services.yml')
  const asked = placeholdersOf(text)
  const known = new Set(asked.map(({ name }) => name))

  for (const { name, isRequired } of asked) if (isRequired) t.ok(written.includes(name), name)
  for (const name of written) t.ok(known.has(name), `${name} is used`)
})

t.test('no secret stands in a file, nor has a default', async t => {
  const secrets = new Set(['POSTGRES_PASSWORD', 'REDIS_PASSWORD', 'DEMO_ACCOUNTS'])
  for (const name of names) {
    const settings = describeConfig(await schemaOf(name))
    for (const { variable, isSecret } of settings) if (isSecret) secrets.add(variable)
  }
  for (const file of files) {
    for (const [name, { environment = {} }] of Object.entries(readCompose(join(root, file)))) {
      for (const [variable, value] of Object.entries(environment)) {
        if (!secrets.has(variable)) continue

        t.match(String(value), /^\$\{\w+(:\?[^}]*|:-)\}$/, `${variable} of ${name} in ${file}`)
      }
    }
  }
  t.ok(secrets.has('DATABASE_URL') && secrets.has('CLOUDFRONT_PRIVATE_KEY'))
  t.match(read('.gitignore'), /^\.env$/m)
})

t.test('nothing starts before what it needs is healthy, or done', async t => {
  const services = readCompose(join(root, 'docker-compose.yml'))
  for (const name of names) {
    t.match(services[name]?.depends_on, {
      migrate: { condition: 'service_completed_successfully' },
      redis: { condition: 'service_healthy' },
    })
    t.same(services['simulators']?.depends_on?.[name], { condition: 'service_healthy' }, name)
  }
  t.same(services['migrate']?.depends_on, { postgres: { condition: 'service_healthy' } })
  for (const [name, service] of Object.entries(services)) {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      const isWatched = condition !== 'service_healthy' || services[other]?.healthcheck
      t.ok(isWatched, `${name} waits for the health of ${other}, which has a check`)
    }
  }
})

t.test('every container is without root, and on a tag that says its version', async t => {
  for (const file of files) {
    for (const [name, service] of Object.entries(readCompose(join(root, file)))) {
      const image = service.image?.replace(/^\$\{\w+_IMAGE:-(.*)\}$/, '$1') ?? ''
      const isOurs = /^(funmagic\/|\$\{REGISTRY:\?\}\/)/.test(image)

      t.ok(service.read_only, `${name} in ${file} has a read-only file system`)
      t.same(service.cap_drop, ['ALL'], `${name} in ${file}`)
      if (!isOurs) t.match(image, /:v?\d+(\.\d+)*$/, `${name} in ${file}`)
      if (!isOurs && name !== 'alloy') t.match(service.user, /^(?!root)[a-z]+$/, name)
    }
  }
})

t.test(
  'every image ends as an unprivileged user and starts Node as the signals’ receiver',
  async t => {
    const stages = read('docker/service.Dockerfile')
      .split(/^FROM /m)
      .slice(1)
    for (const name of ['service', 'operations', 'development']) {
      const stage = stages.find(text => text.startsWith(`base AS ${name}\n`)) ?? ''

      t.equal([...stage.matchAll(/^USER (\w+)$/gm)].at(-1)?.[1], 'node', name)
      t.match(stage, /^CMD \["node", /m, name)
    }
    const service = stages.at(-1) ?? ''
    t.match(service, /--import", "@funmagic\/runtime\/telemetry", "src\/main\.ts"\]$/m)
    t.match(service, /^HEALTHCHECK [^]*CMD \["node", "\/app\/health-check\.mjs"\]$/m)
  },
)

t.test('the images are built with the Node and the pnpm of the project', async t => {
  const dockerfile = read('docker/service.Dockerfile')
  const [, node] = /^ARG NODE_IMAGE=node:(\d+)-[a-z]+-slim$/m.exec(dockerfile) ?? []
  const [, pnpm] = /^ARG PNPM_VERSION=(\S+)$/m.exec(dockerfile) ?? []

  t.match(JSON.parse(read('package.json')).devDependencies.node, new RegExp(`^${node}\\.`))
  t.match(read('scripts/bootstrap.mjs'), `const pnpmVersion = '${pnpm}'`)
  for (const [, from = ''] of dockerfile.matchAll(/^FROM (\S+)/gm)) {
    t.match(from, /^(\$\{NODE_IMAGE\}|[a-z-]+)$/, 'one base under every stage')
  }
})

t.test('neither secrets nor tests nor installed packages reach a build', async t => {
  const lines = read('.dockerignore').split('\n')
  t.equal(
    lines.find(line => line !== '' && !line.startsWith('#')),
    '*',
    'all is left out at first',
  )
  for (const line of ['**/node_modules', '**/test']) t.ok(lines.includes(line), line)
  t.notOk(lines.some(line => /^!.*(\.env|\.local|\.git)/.test(line)))
})

t.test('what the runbook runs beside a database is in the operations image', async t => {
  const [, stage = ''] = read('docker/service.Dockerfile').split('\nFROM base AS operations\n')
  const { dependencies } = JSON.parse(read('package.json'))

  const named = [...read('docs/runbook.md').matchAll(/ node scripts\/([a-z-]+)\.ts/g)]
  const scripts = ['migrate', 'seed', 'ledger-verify', ...named.map(([, script = '']) => script)]
  for (const script of new Set(scripts)) {
    t.ok(stage.includes(` scripts/${script}.ts `), script)
    for (const file of importedFiles(`scripts/${script}.ts`)) {
      const folder = dirname(file)
      if (folder !== 'scripts') t.ok(stage.includes(`COPY ${folder} `), `${script} needs ${folder}`)
      for (const [, name = ''] of read(file).matchAll(packagePattern)) {
        t.ok(name in dependencies, `${file} may import ${name}`)
      }
    }
  }
})

t.test('Alloy scrapes every service where it listens', async t => {
  const [, ...parts] = read('docker/alloy/config.alloy').split('prometheus.scrape "services"')
  const targets = [...parts.join('').matchAll(/__address__ = "([^"]+)", service = "([^"]+)"/g)]
  const found = targets.map(([, address, service]) => [service, address])

  t.same(
    found,
    names.map(name => [name, `${name}:${routing.services[name]?.port}`]),
  )
  t.match(parts[0], /scrape_interval = "15s"/)
})

t.test('every file that a Compose file mounts is there', async t => {
  const mounted = [...read('docker/ec2/compose.yml').matchAll(/^ +- \.\.\/([^:]+):.*:ro$/gm)]
  t.ok(mounted.length > 0)
  for (const [, path = ''] of mounted) t.ok(globSync(`docker/${path}`, { cwd: root }).length, path)
})
