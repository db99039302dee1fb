import { Page } from '@funmagic/contract/page'
import { ToolView } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { listTools as listActiveTools } from '@funmagic/task/catalog'
import { toToolView } from '../tool-view.ts'

export const listTools: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api/tools',
    { schema: { summary: 'The tools on offer', response: { 200: Page(ToolView) } } },
    async () => {
      const tools = await listActiveTools(database)
      return { items: tools.map(toToolView), nextCursor: null }
    },
  )
}
