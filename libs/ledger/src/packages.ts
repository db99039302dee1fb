import { isId, newId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'

export interface CreditPackage {
  readonly id: string
  readonly name: string
  readonly credits: number
  /** In the smallest unit of the currency. */
  readonly priceCents: number
  readonly currency: string
  readonly stripePriceId: string | null
}

export interface NewPackage extends Omit<CreditPackage, 'id'> {
  readonly sortOrder: number
  readonly isActive: boolean
}

const packagesMax = 100
const select = {
  id: true,
  name: true,
  credits: true,
  priceCents: true,
  currency: true,
  stripePriceId: true,
} as const

/** The packages on sale, in their order (C3). */
export async function listPackages(database: Database): Promise<CreditPackage[]> {
  return database.prisma.creditPackage.findMany({
    where: { isActive: true },
    orderBy: [{ sortOrder: 'asc' }, { name: 'asc' }],
    take: packagesMax,
    select,
  })
}

/** The package, if it is on sale. */
export async function findPackage(
  database: Database,
  packageId: string,
): Promise<CreditPackage | undefined> {
  if (!isId(packageId)) return undefined
  const found = await database.prisma.creditPackage.findFirst({
    where: { id: packageId, isActive: true },
    select,
  })
  return found ?? undefined
}

/** Creates the package, or replaces the one of that name. */
export async function savePackage(
  database: Database,
  creditPackage: NewPackage,
): Promise<CreditPackage> {
  return database.prisma.creditPackage.upsert({
    where: { name: creditPackage.name },
    create: { id: newId(), ...creditPackage },
    update: { ...creditPackage },
    select,
  })
}
