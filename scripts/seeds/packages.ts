import type { Database } from '@funmagic/database/client'
import { listPackages, savePackage, type NewPackage } from '@funmagic/ledger/packages'

// The sizes follow the tiers of seed 001 (100, 500, 2000 purchased credits); prices are chosen.
const packages: readonly NewPackage[] = [
  { ...priceOf(499), name: 'Starter', credits: 100, sortOrder: 1 },
  { ...priceOf(1999), name: 'Creator', credits: 500, sortOrder: 2 },
  { ...priceOf(6999), name: 'Studio', credits: 2000, sortOrder: 3 },
]

/** Puts packages on sale where there are none yet. */
export async function plantPackages(
  database: Database,
  { isReplacing }: { readonly isReplacing: boolean },
): Promise<void> {
  const hasPackages = (await listPackages(database)).length > 0
  if (hasPackages && !isReplacing) return
  for (const creditPackage of packages) await savePackage(database, creditPackage)
}

function priceOf(priceCents: number) {
  return { priceCents, currency: 'usd', stripePriceId: null, isActive: true }
}
