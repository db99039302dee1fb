import { loadConfig } from '@funmagic/runtime/config'
import { createServer } from '@funmagic/runtime/http-server'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { HttpSettings } from '@funmagic/runtime/settings'
import t from 'tap'
import { parse } from 'yaml'
import { faultsOf, fileOf, readProjectFile, readTimeouts, servicesOfRouting } from './timeouts.ts'

// From the browser to the process each side waits for the next, and the right one gives up first.
const timeouts = readTimeouts(readProjectFile)

t.test('the time-outs of Node, ECS, Compose, the load balancer and CloudFront fit', async t => {
  t.same(faultsOf(timeouts), [])
})

t.test('what is read of the sources is what a process does', async t => {
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

  t.equal(timeouts.drain, http.drainMs)
  t.equal(timeouts.keepAlive, app.server.keepAliveTimeout)
})

t.test(
  'every container of ECS and every target group has the time-out that is checked',
  async t => {
    const definitions = readProjectFile(fileOf('taskStop'))
    const groups = readProjectFile(fileOf('deregistration'))

    const containers = definitions.match(/^ +readonlyRootFilesystem += true$/gm)?.length
    t.equal(definitions.match(/stopTimeout += local\.stop_timeout_seconds/g)?.length, containers)
    const count = groups.split('resource "aws_lb_target_group"').length - 1
    t.equal(groups.match(/deregistration_delay += local\./g)?.length, count)
  },
)

t.test('Compose waits for every service as long as is checked', async t => {
  const compose = parse(readProjectFile(fileOf('composeStop')), { merge: true })

  for (const service of servicesOfRouting()) {
    t.equal(compose.services[service]?.stop_grace_period, `${timeouts.composeStop / 1000}s`)
  }
})

const breaks = [
  {
    what: 'an idle time-out of the load balancer below the heartbeats of a stream',
    place: 'balancerIdle',
    from: 'idle_timeout = 60',
    to: 'idle_timeout = 5',
    notice: /streams are cut as idle/,
  },
  {
    what: 'heartbeats that are rarer than the idle time-out',
    place: 'heartbeat',
    from: 'default: 6_000',
    to: 'default: 60_000',
    notice: /streams are cut as idle/,
  },
  {
    what: 'a drain that is longer than ECS waits',
    place: 'drain',
    from: 'default: 5_000',
    to: 'default: 59_000',
    notice: /ECS kills a process that is still closing/,
  },
  {
    what: 'a Node that gives up later than ECS',
    place: 'close',
    from: 'closeDeadlineMs = 25_000',
    to: 'closeDeadlineMs = 61_000',
    notice: /ECS kills a process that is still closing/,
  },
  {
    what: 'a stop time-out of ECS below that of Node',
    place: 'taskStop',
    from: 'stop_timeout_seconds = 60',
    to: 'stop_timeout_seconds = 20',
    notice: /ECS kills a process that is still closing/,
  },
  {
    what: 'a Node that closes idle connections first',
    place: 'keepAlive',
    from: 'keepAliveTimeoutMs = 72_000',
    to: 'keepAliveTimeoutMs = 5_000',
    notice: /Node closes idle connections before/,
  },
] as const

for (const { what, place, from, to, notice } of breaks) {
  t.test(`noticed: ${what}`, async t => {
    const broken = fileOf(place)
    const text = readProjectFile(broken)
    t.ok(text.includes(from), `${broken} has what is to be broken`)

    const found = readTimeouts(path =>
      path === broken ? text.replace(from, to) : readProjectFile(path),
    )

    t.match(faultsOf(found).join('; '), notice)
  })
}
