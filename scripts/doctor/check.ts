/** What a check found. A failure says how to put it right; what was not checked says why. */
export type Verdict =
  | { readonly status: 'ok'; readonly detail: string }
  | { readonly status: 'failed'; readonly detail: string; readonly fix: string }
  | { readonly status: 'skipped'; readonly detail: string }

export interface Check {
  readonly name: string
  /** Ends when the signal does; a rejection counts as a failure. */
  readonly run: (signal: AbortSignal) => Promise<Verdict>
}

export type Outcome = Verdict & { readonly name: string }

export function ok(detail: string): Verdict {
  return { status: 'ok', detail }
}

export function skipped(detail: string): Verdict {
  return { status: 'skipped', detail }
}

export function failed({ detail, fix }: { detail: string; fix: string }): Verdict {
  return { status: 'failed', detail, fix }
}

/** Runs the checks beside each other, each with a deadline of its own; none can stop another. */
export async function runChecks(checks: readonly Check[], deadlineMs: number): Promise<Outcome[]> {
  // A few for each host name and each service: some thirty.
  return Promise.all(
    checks.map(async check => ({ name: check.name, ...(await runOne(check, deadlineMs)) })),
  )
}

async function runOne(check: Check, deadlineMs: number): Promise<Verdict> {
  const deadline = new AbortController()
  const { promise: late, resolve } = Promise.withResolvers<Verdict>()
  const timer = setTimeout(() => {
    deadline.abort()
    resolve(noAnswer(`nothing within ${deadlineMs / 1000} s`))
  }, deadlineMs)
  try {
    return await Promise.race([check.run(deadline.signal), late])
  } catch (error) {
    return noAnswer(reasonOf(error))
  } finally {
    clearTimeout(timer)
  }
}

function noAnswer(reason: string): Verdict {
  const fix = 'see whether it runs and can be reached from here (DNS, security groups, certificate)'
  return failed({ detail: `no answer: ${reason}`, fix })
}

/** fetch says only that it failed; what happened is in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof AggregateError) return cause.errors.map(String).join(', ')
  return cause instanceof Error ? cause.message : error.message
}
