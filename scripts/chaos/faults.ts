import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from './lab.ts'
import { nameOf, type Fault, type PlannedFault, type ServiceName } from './schedule.ts'

/** A fault that was done, in milliseconds of the run; open-ended until it is healed. */
export interface InjectedFault {
  readonly name: string
  readonly startedAt: number
  endedAt: number
}

// After its end a fault still shows: connections are made anew, a service starts again, a circuit
// stays open for a while.
const aftermathMs = 15_000

/** What was broken and when: whether a failure had a cause is asked here. */
export class FaultLog {
  readonly injected: InjectedFault[] = []
  /** Services that were killed, or told to stop. */
  kills = 0

  begin(name: string): InjectedFault {
    const fault = { name, startedAt: performance.now(), endedAt: Infinity }
    this.injected.push(fault)
    return fault
  }

  /** Whether something was broken, or had just been, at some moment of the span. */
  isExcused(span: { readonly startedAt: number; readonly endedAt: number }): boolean {
    return this.injected.some(
      ({ startedAt, endedAt }) =>
        startedAt <= span.endedAt && endedAt + aftermathMs >= span.startedAt,
    )
  }

  /** Milliseconds since everything was whole; 0 while something is broken. */
  quietMs(): number {
    const endedAt = Math.max(0, ...this.injected.map(fault => fault.endedAt))
    return Math.max(0, performance.now() - endedAt)
  }
}

/** Breaks and heals everything as planned; resolves when the last fault has ended. */
export async function injectAll(lab: Lab, { plan, log, signal }: Injection): Promise<void> {
  const startedAt = performance.now()
  // One for each planned fault, which are as many as the run has seconds or fewer.
  await Promise.all(
    plan.map(async ({ atMs, durationMs, fault }) => {
      await pause(startedAt + atMs - performance.now(), undefined, { signal })
      const entry = log.begin(nameOf(fault))
      try {
        await inject(lab, { fault, durationMs, log, signal })
      } finally {
        entry.endedAt = performance.now()
      }
    }),
  )
}

interface Injection {
  readonly plan: readonly PlannedFault[]
  readonly log: FaultLog
  readonly signal: AbortSignal
}

interface Injected {
  readonly fault: Fault
  readonly durationMs: number
  readonly log: FaultLog
  readonly signal: AbortSignal
}

async function inject(lab: Lab, { fault, durationMs, log, signal }: Injected): Promise<void> {
  const last = () => pause(durationMs, undefined, { signal })
  switch (fault.kind) {
    case 'kill':
    case 'terminate':
      if (await send(lab, fault.service, fault.kind === 'kill' ? 'SIGKILL' : 'SIGTERM')) log.kills++
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
    case 'provider': {
      const { provider, mode } = fault
      for (const operation of ['submit', 'status'] as const) {
        await lab.control('POST', 'scripts', { provider, mode, operation, times: 3 })
      }
      return last()
    }
  }
}

/** Everything whole again, whatever a fault has left behind. */
export async function healAll(lab: Lab): Promise<void> {
  for (const link of Object.values(lab.links)) await link.set({ kind: 'pass' })
  for (const { server } of Object.values(lab.stores)) await server.revive()
  await lab.control('DELETE', 'scripts')
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
