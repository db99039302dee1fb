import { CreditPackageView } from '@funmagic/contract/credit'
import { Page } from '@funmagic/contract/page'
import type { Database } from '@funmagic/database/client'
import { listPackages as listPackagesOnSale } from '@funmagic/ledger/packages'
import type { RoutePlugin } from '@funmagic/runtime/http-server'

export const listPackages: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api/credits/packages',
    {
      schema: {
        summary: 'The packages on sale',
        response: { 200: Page(CreditPackageView) },
      },
    },
    async () => {
      const packages = await listPackagesOnSale(database)
      const items = packages.map(({ id, name, credits, priceCents, currency }) => ({
        id,
        name,
        credits,
        priceCents,
        currency,
      }))
      return { items, nextCursor: null }
    },
  )
}
