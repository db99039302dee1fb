import type { Database } from '@funmagic/database/client'
import { raw, sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { streamViolations, type Counterexample } from '@funmagic/ledger/proof'
import { taskSettlements } from '@funmagic/task/settlement'
import type { Events } from '../events.ts'

const statementTimeoutMs = 15 * 60_000
const examplesMax = 20

/**
 * Proves the whole books in one snapshot (C1), as `npm run ledger:verify` does, and tells how many
 * rows break a rule. It only reads, and takes about half a minute for a million entries.
 */
export async function proveBooks(deps: {
  readonly database: Database
  readonly events: Events
}): Promise<void> {
  const { database, events } = deps
  const beganMs = performance.now()
  try {
    const { findings, examples } = await inTransaction(database, async tx => {
      await tx.query(sql`SET LOCAL statement_timeout = ${raw(String(statementTimeoutMs))}`)
      let findings = 0
      const examples: Counterexample[] = []
      for await (const finding of streamViolations(tx, taskSettlements)) {
        findings += 1
        if (findings <= examplesMax) examples.push(finding)
      }
      return { findings, examples }
    })
    events.booksProven({ findings, examples, tookMs: performance.now() - beganMs })
  } catch (error) {
    events.sweepFailed('proof', error)
  }
}
