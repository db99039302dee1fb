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

/** The packages on sale, in their order. */
export declare function listPackages(database: Database): Promise<CreditPackage[]>

/** The package, if it is on sale. */
export declare function findPackage(
  database: Database,
  packageId: string,
): Promise<CreditPackage | undefined>

/** Creates or replaces the package of that name. */
export declare function savePackage(
  database: Database,
  creditPackage: Omit<CreditPackage, 'id'> & {
    readonly sortOrder: number
    readonly isActive: boolean
  },
): Promise<CreditPackage>
