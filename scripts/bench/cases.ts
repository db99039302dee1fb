import type { Comparison } from './comparison.ts'
import { ledgerComparisons } from './ledger.ts'
import type { Setting } from './setting.ts'

/** What is measured, by the name that `npm run bench -- <name>` takes. */
export const cases: Readonly<Record<string, (setting: Setting) => Promise<readonly Comparison[]>>> =
  {
    ledger: ledgerComparisons,
  }
