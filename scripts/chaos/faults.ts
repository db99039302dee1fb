import { setTimeout as pause } from 'node:timers/promises'
import type { FaultLog } from './fault-log.ts'
import type { Lab } from './lab.ts'
import {
  nameOf,
  struck,
  type Fault,
  type PlannedFault,
  type ProviderMode,
  type ProviderName,
  type ServiceName,
} from './schedule.ts'

/** Breaks and heals everything as planned; resolves when the last fault has ended. */
export async function injectAll(lab: Lab, { plan, ...context }: Injection): Promise<void> {
  const { log, signal } = context
  const startedAt = performance.now()
  // One for each planned fault, which are as many as the run has seconds or fewer.
  await Promise.all(
    plan.map(async ({ atMs, durationMs, fault }) => {
      await pause(startedAt + atMs - performance.now(), undefined, { signal })
      const entry = log.begin(nameOf(fault))
      try {
        await inject(lab, { ...context, fault, durationMs })
      } finally {
        entry.endedAt = performance.now()
      }
    }),
  )
}

interface Context {
  readonly log: FaultLog
  /** Whether somebody waits for the answer to such a request. */
  readonly isWaiting: (request: string) => boolean
  readonly signal: AbortSignal
}

interface Injection extends Context {
  readonly plan: readonly PlannedFault[]
}

interface Injected extends Context {
  readonly fault: Fault
  readonly durationMs: number
}

async function inject(lab: Lab, injected: Injected): Promise<void> {
  const { fault, durationMs, log, signal } = injected
  const last = () => pause(durationMs, undefined, { signal })
  switch (fault.kind) {
    case 'kill':
    case 'terminate':
      if (await send(lab, fault.service, fault.kind === 'kill' ? 'SIGKILL' : 'SIGTERM')) log.kills++
      return
    case 'strike':
      await untilWaiting(injected, struck[fault.service])
      if (await send(lab, fault.service, 'SIGKILL')) log.kills++
      return
    case 'pause':
      return pauseService(lab, fault.service, last)
    case 'crash': {
      const { server } = lab.stores[fault.store]
      await server.crash(fault.store === 'postgres' ? 'SIGQUIT' : 'SIGKILL')
      // Postgres is restarted at once; a Redis stays away.
      if (fault.store !== 'postgres') await last()
      return server.revive()
    }
    case 'flush':
      return flush(lab, fault.store)
    case 'link':
      await lab.links[fault.link].set(fault.mode)
      await last()
      return lab.links[fault.link].set({ kind: 'pass' })
    case 'webhooks': {
      const { provider, webhook } = fault
      await lab.control('POST', 'scripts', { provider, mode: 'ok', webhook, times: 10 })
      return last()
    }
    case 'payments':
      await lab.controlStripe('POST', 'webhooks', paymentScripts[fault.mode])
      return last()
    case 'provider':
      for (const script of scriptsOf(fault.provider, fault.mode)) {
        await lab.control('POST', 'scripts', script)
      }
      return last()
  }
}

const paymentScripts = {
  late: { mode: 'delay', delayMs: 5_000, times: 4 },
  // Only the first: what comes after it is there before it.
  'out-of-order': { mode: 'delay', delayMs: 5_000, times: 1 },
  duplicate: { mode: 'duplicate', copies: 3, times: 6 },
} as const

const stormCalls = 30
const stormRetryAfterSeconds = 2
const strikePatienceMs = 4_000
const strikePollMs = 5

function scriptsOf(provider: ProviderName, mode: ProviderMode): object[] {
  switch (mode) {
    case 'storm': {
      const storm = { provider, mode: '429', retryAfterSeconds: stormRetryAfterSeconds }
      return [{ ...storm, operation: 'submit', times: stormCalls }]
    }
    case 'fail':
    case 'stuck':
    case 'missing-output':
      return [{ provider, mode, operation: 'submit', times: 2 }]
    default:
      return ['submit', 'status'].map(operation => ({ provider, mode, operation, times: 3 }))
  }
}

/** Until a request is under way, or for as long as that is worth it. */
async function untilWaiting({ isWaiting, signal }: Injected, request: string): Promise<void> {
  const endsAt = performance.now() + strikePatienceMs
  while (!isWaiting(request) && performance.now() < endsAt) {
    await pause(strikePollMs, undefined, { signal })
  }
}

/** Everything whole again, whatever a fault has left behind. */
export async function healAll(lab: Lab): Promise<void> {
  for (const link of Object.values(lab.links)) await link.set({ kind: 'pass' })
  for (const { server } of Object.values(lab.stores)) await server.revive()
  await lab.control('DELETE', 'scripts')
  await lab.controlStripe('DELETE', 'webhooks')
}

async function pauseService(
  lab: Lab,
  service: ServiceName,
  last: () => Promise<void>,
): Promise<void> {
  const pid = await lab.pidOf(service)
  if (pid === undefined || !signalProcess(pid, 'SIGSTOP')) return
  try {
    await last()
  } finally {
    signalProcess(pid, 'SIGCONT')
  }
}

async function send(lab: Lab, service: ServiceName, signal: NodeJS.Signals): Promise<boolean> {
  const pid = await lab.pidOf(service)
  return pid !== undefined && signalProcess(pid, signal)
}

/** False when the process has gone already, by an earlier fault. */
function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}

async function flush(lab: Lab, store: 'redisQueue' | 'redisCache'): Promise<void> {
  try {
    await lab.withRedis(store, redis => redis.flushall())
  } catch {
    // It is away by another fault: there is nothing to empty.
  }
}
