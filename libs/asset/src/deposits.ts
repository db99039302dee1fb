import type { OutputMimeType } from '@funmagic/contract/asset'
import type { Place } from './asset.ts'
import { sha256Of } from './digests.ts'
import { headersFor } from './object-keys.ts'
import { type ObjectStore, StoreFailure } from './object-store.ts'

export interface Deposit {
  readonly place: Place
  readonly bytes: Uint8Array
  readonly mimeType: OutputMimeType
}

/** The bytes that lie at the place, whoever put them there, and their digest. */
export interface Deposited {
  readonly bytes: Uint8Array
  readonly sha256: string
}

/**
 * Puts bytes at a place that is the same at every try. When an earlier try has been there, its
 * bytes stay and are returned: the bytes behind a key never change (reliability S6), so a try that
 * comes late can do no harm.
 */
export async function deposit(
  store: ObjectStore,
  { place, bytes, mimeType }: Deposit,
  limits: { bytesMax: number },
): Promise<Deposited> {
  const isOurs = await store.create(place, bytes, headersFor(place, mimeType))
  const kept = isOurs ? bytes : await store.read(place, limits)
  if (kept === undefined) throw new StoreFailure(new Error(`${place.key} was taken and is gone`))
  return { bytes: kept, sha256: await sha256Of(kept) }
}
