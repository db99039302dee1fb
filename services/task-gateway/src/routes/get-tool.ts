import { AppError, problems } from '@funmagic/contract/problem'
import { ToolView } from '@funmagic/contract/tool'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { findTool } from '@funmagic/task/catalog'
import Type from 'typebox'
import { toToolView } from '../tool-view.ts'
import type { ToolDeps } from './list-tools.ts'

/** A tool that is switched off answers like one that does not exist (M1). */
export const getTool: RoutePlugin<ToolDeps> = async (app, { database, availability }) => {
  app.get(
    '/api/tools/:slug',
    {
      schema: {
        summary: 'One tool',
        params: Type.Object({ slug: Type.String() }),
        response: { 200: ToolView, ...problems('NOT_FOUND') },
      },
    },
    async request => {
      const tool = await findTool(database, request.params.slug)
      if (tool === undefined || !tool.isActive) throw new AppError('NOT_FOUND')
      return toToolView(tool, availability)
    },
  )
}
