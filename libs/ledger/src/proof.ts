import type { Queryable } from '@funmagic/database/client'

export interface Violation {
  /** The invariant's id, such as M1. */
  readonly invariant: string
  readonly claim: string
  /** The rows that break it, 100 at most. */
  readonly rows: readonly object[]
}

/** Checks the money invariants by SQL and returns those that do not hold; empty is the proof. */
export declare function findViolations(database: Queryable): Promise<Violation[]>
