import t from 'tap'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { openRemoval } from '../src/moves.ts'
import { openMemoryObjectStore } from '../src/testing.ts'
import { createAsset, openFixture } from './asset-fixture.ts'

t.test('what is due at once is due for the very next statement, at any microsecond', async t => {
  const { database, userId } = await openFixture()
  const { id: assetId } = await createAsset(database, openMemoryObjectStore(), { userId })
  const place = { bucket: 'public', key: 'public/shared/x.png' } as const
  const due: unknown[] = []

  for (let round = 0; round < 20; round++) {
    await inTransaction(database, async tx => {
      const id = await openRemoval(tx, { assetId, place, afterSeconds: 0 })
      // Within the transaction now() stands still, so only rounding can put it into the future.
      const { rows } = await tx.query<{ isDue: boolean }>(sql`
        SELECT next_attempt_at <= now() AND delete_source_after <= now() AS "isDue"
        FROM asset_moves WHERE id = ${id}
      `)
      due.push(rows[0]?.isDue)
    })
  }

  t.same(new Set(due), new Set([true]))
})
