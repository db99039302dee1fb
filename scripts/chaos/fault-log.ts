/** A fault that was done, in milliseconds of the run; open-ended until it is healed. */
export interface InjectedFault {
  readonly name: string
  readonly startedAt: number
  endedAt: number
}

// After its end a fault still shows: connections are made anew, a service starts again, a circuit
// stays open for a while; and a machine that does much else takes its time.
const aftermathMs = 30_000

export const healingName = 'healing'
const restartWord = 'restart of'

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

  /** A process has ended: what needs it fails until it works again, however long that takes. */
  noteAway(process: string): void {
    this.begin(`${restartWord} ${process}`)
  }

  noteBack(process: string): void {
    const name = `${restartWord} ${process}`
    const open = this.injected.findLast(fault => fault.name === name)
    if (open !== undefined) open.endedAt = performance.now()
  }

  /** Whether something was broken, or had just been, at some moment of the span. */
  isExcused(span: { readonly startedAt: number; readonly endedAt: number }): boolean {
    return this.injected.some(
      ({ startedAt, endedAt }) =>
        startedAt <= span.endedAt && endedAt + aftermathMs >= span.startedAt,
    )
  }

  /** What was done on purpose. */
  get planned(): readonly InjectedFault[] {
    return this.injected.filter(({ name }) => name !== healingName && !name.startsWith(restartWord))
  }

  /** How many of such a name there were. */
  count(isMeant: (name: string) => boolean): number {
    return this.planned.filter(({ name }) => isMeant(name)).length
  }

  /** Milliseconds since everything was whole; 0 while something is broken. */
  quietMs(): number {
    const endedAt = Math.max(0, ...this.injected.map(fault => fault.endedAt))
    return Math.max(0, performance.now() - endedAt)
  }
}
