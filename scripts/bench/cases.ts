import type { Comparison } from './comparison.ts'
import { deepGalleryComparisons } from './deep-gallery.ts'
import { ledgerComparisons } from './ledger.ts'
import { listComparisons } from './lists.ts'
import { pictureComparisons } from './pictures.ts'
import { sessionComparisons } from './sessions.ts'
import { signingComparisons } from './signing.ts'
import type { Setting } from './setting.ts'

/** What is measured, by the name that `npm run bench -- <name>` takes. */
export const cases: Readonly<Record<string, (setting: Setting) => Promise<readonly Comparison[]>>> =
  {
    ledger: ledgerComparisons,
    'deep-gallery': deepGalleryComparisons,
    lists: listComparisons,
    pictures: pictureComparisons,
    sessions: sessionComparisons,
    signing: signingComparisons,
  }
