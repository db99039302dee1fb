import {
  AdminToolView,
  ChangeTool,
  CreateTool,
  ListAdminToolsQuery,
  ToolVersionView,
} from '@funmagic/contract/admin-tool'
import { Id } from '@funmagic/contract/ids'
import { Page, pageLimitDefault, pageQuery, readPage } from '@funmagic/contract/page'
import { AppError, problems } from '@funmagic/contract/problem'
import { modelsOf, type ToolConfig } from '@funmagic/contract/tool'
import type { Transaction } from '@funmagic/database/transaction'
import { holdProviders } from '@funmagic/provider/provider-changes'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { etagOf, readBasedOn } from '@funmagic/runtime/version-match'
import {
  changeTool as changeStored,
  createTool as createStored,
  listAllTools,
  listToolVersions as listVersions,
  readToolById,
} from '@funmagic/task/tool-changes'
import { findToolType } from '@funmagic/task/tool-types'
import Type from 'typebox'
import { changeAudited, type AdminDeps } from '../../admin/changes.ts'
import { refuseFaults } from '../../admin/faults.ts'
import { toolFaults } from '../../admin/tool-faults.ts'
import { toAdminTool } from '../../admin/views.ts'

const ToolParams = Type.Object({ toolId: Id })
const IfMatch = Type.Object({ 'if-match': Type.Optional(Type.String({ maxLength: 100 })) })
const readProblems = problems('INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND')

export const listTools: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tools',
    {
      schema: {
        summary: 'All tools, also those that are switched off',
        querystring: ListAdminToolsQuery,
        response: {
          200: Page(AdminToolView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN'),
        },
      },
    },
    async ({ query }) => {
      const page = await listAllTools(database, query, readPage(query))
      return { ...page, items: page.items.map(toAdminTool) }
    },
  )
}

export const getTool: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tools/:toolId',
    {
      schema: {
        summary: 'One tool; the ETag is its version',
        params: ToolParams,
        response: { 200: AdminToolView, ...readProblems },
      },
    },
    async (request, reply) => {
      const tool = await readToolById(database, request.params.toolId)
      reply.header('etag', etagOf(tool))
      return toAdminTool(tool)
    },
  )
}

export const createTool: RoutePlugin<AdminDeps> = async (app, deps) => {
  app.post(
    '/api/admin/tools',
    {
      schema: {
        summary: 'Create a tool; its config is checked as a whole, each fault with its place',
        headers: IdempotencyHeaders,
        body: CreateTool,
        response: {
          201: AdminToolView,
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'UNAUTHORIZED',
            'FORBIDDEN',
            'ALREADY_EXISTS',
            'IDEMPOTENCY_MISMATCH',
          ),
        },
      },
    },
    async (request, reply) => {
      const { reason, description = null, isActive = true, ...fields } = request.body
      const change = { action: 'tool.created', subjectType: 'tool', request, reason } as const
      const creating = request.body
      const toolId = await changeAudited(deps, { ...change, creating }, async tx => {
        await requireSound(tx, deps, fields)
        const tool = await createStored(tx, { ...fields, description, isActive })
        return { subjectId: tool.id, after: toAdminTool(tool) }
      })
      const tool = await readToolById(deps.database, toolId)
      reply.code(201).header('etag', etagOf(tool))
      return toAdminTool(tool)
    },
  )
}

export const changeTool: RoutePlugin<AdminDeps> = async (app, deps) => {
  app.put(
    '/api/admin/tools/:toolId',
    {
      schema: {
        summary: 'Change or switch off a tool; tasks and quotes keep the version they have',
        params: ToolParams,
        headers: IfMatch,
        body: ChangeTool,
        response: {
          200: AdminToolView,
          ...readProblems,
          ...problems('INVALID_ID', 'VALIDATION_FAILED', 'VERSION_CONFLICT'),
        },
      },
    },
    async (request, reply) => {
      const { toolId: id } = request.params
      const { reason, version: named, ...changes } = request.body
      const version = readBasedOn(request.headers['if-match'], named)
      const change = { action: 'tool.updated', subjectType: 'tool', request, reason } as const
      await changeAudited(deps, change, async tx => {
        await requireSound(tx, deps, changes)
        const { before, after } = await changeStored(tx, { id, version }, changes)
        return { subjectId: id, before: toAdminTool(before), after: toAdminTool(after) }
      })
      const tool = await readToolById(deps.database, id)
      reply.header('etag', etagOf(tool))
      return toAdminTool(tool)
    },
  )
}

const VersionCursor = /^v([1-9]\d{0,8})$/

export const listToolVersions: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tools/:toolId/versions',
    {
      schema: {
        summary: 'What a tool was, newest first; to go back, change it to an earlier config',
        params: ToolParams,
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: {
          200: Page(ToolVersionView),
          ...readProblems,
          ...problems('INVALID_ID', 'INVALID_CURSOR', 'VALIDATION_FAILED'),
        },
      },
    },
    async request => {
      const { toolId } = request.params
      const { limit = pageLimitDefault, cursor } = request.query
      const before = cursor === undefined ? undefined : VersionCursor.exec(cursor)?.[1]
      if (cursor !== undefined && before === undefined) throw new AppError('INVALID_CURSOR')
      await readToolById(database, toolId)
      const beforeVersion = before === undefined ? undefined : Number(before)
      const { items, nextVersion } = await listVersions(database, toolId, { limit, beforeVersion })
      return { items, nextCursor: nextVersion === null ? null : `v${nextVersion}` }
    },
  )
}

/** The providers that it names stay there until the transaction ends. */
async function requireSound(
  tx: Transaction,
  { cdnUrl }: AdminDeps,
  { typeName, config }: { typeName?: string | undefined; config?: ToolConfig | undefined },
): Promise<void> {
  const type = typeName === undefined ? undefined : await findToolType(tx, typeName)
  const typeFaults =
    typeName === undefined || type?.isActive === true
      ? []
      : [{ pointer: '/typeName', message: 'There is no such tool type, or it is switched off.' }]
  const providerIds = config?.steps.flatMap(modelsOf).map(model => model.providerId) ?? []
  const providers = await holdProviders(tx, providerIds)
  const configFaults = config === undefined ? [] : toolFaults(config, { providers, cdnUrl })
  refuseFaults([...typeFaults, ...configFaults])
}
