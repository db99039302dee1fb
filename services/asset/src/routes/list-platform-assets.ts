import { listPlatformAssets as list } from '@funmagic/asset/platform-assets'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { Page, pageLimitDefault } from '@funmagic/contract/page'
import {
  ListPlatformAssetsQuery,
  PlatformAssetView,
  type Destination,
} from '@funmagic/contract/platform-asset'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { withAddresses, withoutAddresses } from '../platform-views.ts'

interface ListPlatformAssetsDeps {
  readonly database: Database
  readonly links: AssetLinks
}

/** What the platform keeps. Audit files are listed without a way to their bytes. */
export const listPlatformAssets: RoutePlugin<ListPlatformAssetsDeps> = async (app, deps) => {
  const { database, links } = deps

  app.get(
    '/api/admin/assets',
    {
      schema: {
        summary: 'The files of the platform, newest first',
        description: 'With module only ops files, with auditType only audit files.',
        querystring: ListPlatformAssetsQuery,
        response: {
          200: Page(PlatformAssetView),
          ...problems('VALIDATION_FAILED', 'INVALID_CURSOR', 'UNAUTHORIZED', 'FORBIDDEN'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const { limit = pageLimitDefault, cursor } = request.query
      const { items, nextCursor } = await list(database, readFilter(request.query), {
        limit,
        cursor,
      })
      const views: PlatformAssetView[] = []
      for (const asset of items) {
        const isPublic = asset.purpose === 'ops'
        views.push(isPublic ? await withAddresses(links, asset, user) : withoutAddresses(asset))
      }
      return { items: views, nextCursor }
    },
  )
}

interface Asked {
  readonly destination?: Destination
  readonly module?: string
  readonly auditType?: string
}

function readFilter({ destination, module, auditType }: Asked) {
  const implied = module !== undefined ? 'ops' : auditType !== undefined ? 'audit' : destination
  const isMixed = module !== undefined && auditType !== undefined
  if (isMixed || (destination !== undefined && destination !== implied)) {
    const suggestion = 'Ops files have a module and audit files an audit type: ask for one of them.'
    throw new AppError('VALIDATION_FAILED', { details: { field: 'destination', suggestion } })
  }
  return { destination: implied, label: module ?? auditType }
}
