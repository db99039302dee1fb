import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '@funmagic/runtime/config'
import { createServer } from '@funmagic/runtime/http-server'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { HttpSettings } from '@funmagic/runtime/settings'
import t from 'tap'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '../..')
const compute = 'terraform/modules/compute'

/** The one number that the pattern finds in a file; undefined when the file is not there. */
function numberIn(path: string, pattern: RegExp): number | undefined {
  const file = join(root, path)
  if (!existsSync(file)) return undefined
  const [, text] = pattern.exec(readFileSync(file, 'utf8')) ?? []
  if (text === undefined) throw new Error(`${path} says nothing like ${pattern.source}`)
  return Number(text.replaceAll('_', ''))
}

/** What a process needs, as it is compiled in or set by default. */
async function nodeSide() {
  const http = loadConfig(HttpSettings, { PORT: '0' })
  const { app } = await createServer({
    service: 'shutdown',
    title: 'Shutdown',
    description: 'For this test',
    logger: createLogger('shutdown', 'silent'),
    metrics: createMetrics('shutdown'),
    http,
    health: {},
  })
  await app.close()
  const closeMs = numberIn('libs/runtime/src/lifecycle.ts', /closeDeadlineMs = ([\d_]+)/)
  return { drainMs: http.drainMs, keepAliveMs: app.server.keepAliveTimeout, closeMs: closeMs ?? 0 }
}

/** What the load balancer, ECS and Compose give it; undefined where a file is not there. */
const outside = {
  stopSeconds: numberIn(`${compute}/task-definitions.tf`, /stop_timeout_seconds = (\d+)/),
  idleSeconds: numberIn(`${compute}/load-balancer.tf`, /idle_timeout += (\d+)/),
  deregistrationSeconds: numberIn(
    `${compute}/target-groups.tf`,
    /deregistration_delay_seconds = (\d+)/,
  ),
  originKeepAliveSeconds: numberIn(
    'terraform/modules/edge/app-distribution.tf',
    /origin_keepalive_timeout = (\d+)/,
  ),
}
const skip = (value: number | undefined, file: string) =>
  value === undefined ? `${file} is not there` : false

t.test('a process drains before its own deadline', async t => {
  const { drainMs, closeMs } = await nodeSide()

  t.ok(drainMs >= 1_000, `it drains for ${drainMs} ms`)
  t.ok(drainMs + 10_000 <= closeMs, `${closeMs} ms leave ten seconds for what is under way`)
})

t.test(
  'ECS kills only after the process has given up by itself',
  { skip: skip(outside.stopSeconds, 'task-definitions.tf') },
  async t => {
    const { closeMs } = await nodeSide()
    const stopSeconds = outside.stopSeconds ?? 0
    const definitions = readFileSync(join(root, compute, 'task-definitions.tf'), 'utf8')

    t.ok(stopSeconds * 1000 > closeMs, `${stopSeconds} s are more than ${closeMs} ms`)
    t.ok(stopSeconds <= 120, 'Fargate allows 120 s')
    t.match(definitions, /stopTimeout\s+= local\.stop_timeout_seconds/)
  },
)

t.test(
  'the load balancer, not Node, is the side that closes an idle connection',
  { skip: skip(outside.idleSeconds, 'load-balancer.tf') },
  async t => {
    const { keepAliveMs } = await nodeSide()
    const idleSeconds = outside.idleSeconds ?? 0

    t.ok(idleSeconds * 1000 < keepAliveMs, `${idleSeconds} s are less than ${keepAliveMs} ms`)
  },
)

t.test(
  'CloudFront closes its kept connections before the load balancer does',
  { skip: skip(outside.originKeepAliveSeconds, 'app-distribution.tf') },
  async t => {
    t.ok((outside.originKeepAliveSeconds ?? 0) < (outside.idleSeconds ?? 0))
  },
)

t.test(
  'requests that are under way at deregistration have at least as long as the drain',
  { skip: skip(outside.deregistrationSeconds, 'target-groups.tf') },
  async t => {
    const { drainMs } = await nodeSide()
    const groups = readFileSync(join(root, compute, 'target-groups.tf'), 'utf8')
    const count = groups.split('resource "aws_lb_target_group"').length - 1

    t.ok((outside.deregistrationSeconds ?? 0) * 1000 >= drainMs)
    t.equal(groups.match(/deregistration_delay +=/g)?.length, count, 'every target group has it')
  },
)

const composeFile = 'docker/services.yml'
t.test(
  'Compose waits longer for each service than the process takes to end',
  { skip: existsSync(join(root, composeFile)) ? false : `${composeFile} is not there` },
  async t => {
    const { closeMs } = await nodeSide()
    const compose = parse(readFileSync(join(root, composeFile), 'utf8'), { merge: true })
    const routing = JSON.parse(readFileSync(join(root, 'services/routing.json'), 'utf8'))

    for (const service of Object.keys(routing.services)) {
      const period = String(compose.services[service]?.stop_grace_period)
      t.match(period, /^\d+s$/, `${service} says how long it is waited for`)
      t.ok(Number.parseInt(period, 10) * 1000 > closeMs, `${service}: ${period}`)
    }
  },
)

t.test('the machines of the stable stack wait for Compose', async t => {
  const unit = join(root, compute, 'user-data.sh.tftpl')
  if (!existsSync(unit)) return t.pass('systemd', { skip: `${unit} is not there` })
  const seconds = numberIn(`${compute}/user-data.sh.tftpl`, /TimeoutStopSec=(\d+)/)

  t.ok((seconds ?? 0) > (outside.stopSeconds ?? Infinity))
})
