import { reconcilePage, type ReconciliationDeps } from '@funmagic/asset/reconciliation'
import type { Events } from '../events.ts'

interface ReconcileDeps extends ReconciliationDeps {
  readonly events: Events
}

const buckets = ['private', 'public', 'admin'] as const
const objectsMax = 1_000

/** Takes every bucket a page further (S7). One copy of the service has a bucket at a time. */
export async function reconcile(
  { database, store, events }: ReconcileDeps,
  grace: { readonly graceSeconds: number },
): Promise<void> {
  for (const bucket of buckets) {
    try {
      const page = await reconcilePage({ database, store }, bucket, { ...grace, objectsMax })
      if (page) events.reconciled(page)
    } catch (error) {
      // Postgres or the store is away: the page waits for the next run.
      events.sweepFailed('reconciliation', error)
    }
  }
}
