import type { Comparison } from './comparison.ts'
import { deepGalleryComparisons } from './deep-gallery.ts'
import { listComparisons } from './lists.ts'
import { pictureComparisons } from './pictures.ts'
import { sessionComparisons } from './sessions.ts'
import { signingComparisons } from './signing.ts'
import { fairnessComparisons } from './fairness.ts'
import { ledgerStatementComparisons } from './ledger-statements.ts'
import { ledgerComparisons } from './ledger.ts'
import { outageComparisons } from './outage.ts'
import { outboxComparisons } from './outbox.ts'
import { overheadComparisons } from './overhead.ts'
import { poisonComparisons } from './poison.ts'
import type { Setting } from './setting.ts'
import { submitComparisons } from './submit.ts'
import { taskComparisons } from './tasks.ts'

/** What is measured, by the name that `npm run bench -- <name>` takes. */
export const cases: Readonly<Record<string, (setting: Setting) => Promise<readonly Comparison[]>>> =
  {
    ledger: ledgerComparisons,
    'deep-gallery': deepGalleryComparisons,
    lists: listComparisons,
    pictures: pictureComparisons,
    sessions: sessionComparisons,
    signing: signingComparisons,
    'ledger-statements': ledgerStatementComparisons,
    submit: submitComparisons,
    tasks: taskComparisons,
    outbox: outboxComparisons,
    fairness: fairnessComparisons,
    outage: outageComparisons,
    poison: poisonComparisons,
    overhead: overheadComparisons,
  }
