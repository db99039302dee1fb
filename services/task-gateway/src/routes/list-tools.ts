import { Page } from '@funmagic/contract/page'
import { ToolView } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { listTools as listActiveTools } from '@funmagic/task/catalog'
import type { Availability } from '../provider-availability.ts'
import { toToolView } from '../tool-view.ts'

export interface ToolDeps {
  readonly database: Database
  readonly availability: Availability
}

export const listTools: RoutePlugin<ToolDeps> = async (app, { database, availability }) => {
  app.get(
    '/api/tools',
    { schema: { summary: 'The tools on offer', response: { 200: Page(ToolView) } } },
    async () => {
      const tools = await listActiveTools(database)
      // Bounded by listTools; a provider is asked about once in five seconds.
      return {
        items: await Promise.all(tools.map(tool => toToolView(tool, availability))),
        nextCursor: null,
      }
    },
  )
}
