import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { valueAt } from './terraform-workspace.ts'

const root = join(import.meta.dirname, '../..')
const compute = 'terraform/modules/compute'
const edge = 'terraform/modules/edge/app-distribution.tf'

/** Every time-out between the browser and the process, where it is written, and its unit in ms. */
const places = {
  keepAlive: ['libs/runtime/src/http-server.ts', /keepAliveTimeoutMs = ([\d_]+)/, 1],
  close: ['libs/runtime/src/lifecycle.ts', /closeDeadlineMs = ([\d_]+)/, 1],
  drain: [
    'libs/runtime/src/settings.ts',
    /default: ([\d_]+),\n[^{}]+\}\),\n +\{ env: 'DRAIN_MS'/,
    1,
  ],
  heartbeat: [
    'services/progress/src/config.ts',
    /default: ([\d_]+),\n[^{}]+\}\),\n +\{ env: 'STREAM_HEARTBEAT_MS'/,
    1,
  ],
  balancerIdle: [`${compute}/load-balancer.tf`, /idle_timeout += (\d+)/, 1_000],
  deregistration: [`${compute}/target-groups.tf`, /deregistration_delay_seconds = (\d+)/, 1_000],
  taskStop: [`${compute}/task-definitions.tf`, /stop_timeout_seconds = (\d+)/, 1_000],
  unitStop: [`${compute}/user-data.sh.tftpl`, /TimeoutStopSec=(\d+)/, 1_000],
  edgeRead: [edge, /origin_read_timeout += (\d+)/, 1_000],
  edgeIdle: [edge, /origin_keepalive_timeout += (\d+)/, 1_000],
  composeStop: ['docker/services.yml', /stop_grace_period: (\d+)s/, 1_000],
} as const satisfies Record<string, readonly [file: string, pattern: RegExp, unitMs: number]>

type Place = keyof typeof places
export type Timeouts = Readonly<Record<Place, number>>

export function fileOf(place: Place): string {
  return places[place][0]
}

export function readProjectFile(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** In milliseconds. Throws when a file does not say it where it is looked for. */
export function readTimeouts(read: (path: string) => string): Timeouts {
  const entries = Object.entries(places).map(([place, [file, pattern, unitMs]]) => {
    const [, digits] = pattern.exec(read(file)) ?? []
    if (digits === undefined) throw new Error(`${file} says nothing like ${pattern.source}`)
    return [place, Number(digits.replaceAll('_', '')) * unitMs] as const
  })
  // The entries are made from all places.
  return Object.fromEntries(entries) as Timeouts
}

/** What does not fit, in words; nothing when all does. */
export function faultsOf(times: Timeouts): string[] {
  const claims: readonly (readonly [holds: boolean, otherwise: string])[] = [
    [
      times.heartbeat * 5 <= times.balancerIdle,
      'streams are cut as idle: five heartbeats must fit the idle time-out of the load balancer',
    ],
    [
      times.keepAlive > times.balancerIdle,
      'Node closes idle connections before the load balancer does: requests meet a closed one',
    ],
    [
      times.edgeIdle < times.balancerIdle,
      'the load balancer closes idle connections before CloudFront does',
    ],
    [
      times.edgeRead >= times.balancerIdle,
      'CloudFront is less patient with an answer than the load balancer',
    ],
    [times.drain >= 1_000, 'a process closes before anybody notices that it is not ready'],
    [times.drain + 10_000 <= times.close, 'a drain leaves no ten seconds for what is under way'],
    [times.taskStop > times.close + times.drain, 'ECS kills a process that is still closing'],
    [times.taskStop <= 120_000, 'Fargate waits two minutes at most'],
    [times.composeStop > times.close, 'Compose kills a process that is still closing'],
    [times.unitStop > times.taskStop, 'systemd does not wait for Compose'],
    [
      times.deregistration >= Math.max(times.drain, times.balancerIdle),
      'a target is gone before the requests that it was given are over',
    ],
  ]
  return claims.filter(([holds]) => !holds).map(([, otherwise]) => otherwise)
}

export function servicesOfRouting(): string[] {
  return Object.keys(
    Object(valueAt(JSON.parse(readProjectFile('services/routing.json')), 'services')),
  )
}
