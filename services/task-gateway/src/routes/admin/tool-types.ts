import { AdminToolTypeView, ChangeToolType, CreateToolType } from '@funmagic/contract/admin-tool'
import { Id } from '@funmagic/contract/ids'
import { Page, pageQuery, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { etagOf, readBasedOn } from '@funmagic/runtime/version-match'
import {
  changeToolType as changeStored,
  createToolType as createStored,
  listToolTypes as listStored,
  readToolType,
} from '@funmagic/task/tool-types'
import Type from 'typebox'
import { changeAudited, type AdminDeps } from '../../admin/changes.ts'
import { toAdminToolType } from '../../admin/views.ts'

const TypeParams = Type.Object({ toolTypeId: Id })
const IfMatch = Type.Object({ 'if-match': Type.Optional(Type.String({ maxLength: 100 })) })
const readProblems = problems('INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND')

export const listToolTypes: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tool-types',
    {
      schema: {
        summary: 'All tool types',
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: {
          200: Page(AdminToolTypeView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN'),
        },
      },
    },
    async ({ query }) => {
      const page = await listStored(database, readPage(query))
      return { ...page, items: page.items.map(toAdminToolType) }
    },
  )
}

export const getToolType: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tool-types/:toolTypeId',
    {
      schema: {
        summary: 'One tool type; the ETag is its version',
        params: TypeParams,
        response: { 200: AdminToolTypeView, ...readProblems },
      },
    },
    async (request, reply) => {
      const type = await readToolType(database, request.params.toolTypeId)
      reply.header('etag', etagOf(type))
      return toAdminToolType(type)
    },
  )
}

export const createToolType: RoutePlugin<AdminDeps> = async (app, deps) => {
  app.post(
    '/api/admin/tool-types',
    {
      schema: {
        summary: 'Create a tool type',
        headers: IdempotencyHeaders,
        body: CreateToolType,
        response: {
          201: AdminToolTypeView,
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
      const { reason, ...given } = request.body
      const fields = { icon: null, color: null, description: null, isActive: true, ...given }
      const change = { action: 'tool_type.created', subjectType: 'tool_type', reason } as const
      const creating = request.body
      const id = await changeAudited(deps, { ...change, request, creating }, async tx => {
        const type = await createStored(tx, fields)
        return { subjectId: type.id, after: toAdminToolType(type) }
      })
      const type = await readToolType(deps.database, id)
      reply.code(201).header('etag', etagOf(type))
      return toAdminToolType(type)
    },
  )
}

export const changeToolType: RoutePlugin<AdminDeps> = async (app, deps) => {
  app.put(
    '/api/admin/tool-types/:toolTypeId',
    {
      schema: {
        summary: 'Change or switch off a tool type; its tools stay as they are',
        params: TypeParams,
        headers: IfMatch,
        body: ChangeToolType,
        response: {
          200: AdminToolTypeView,
          ...readProblems,
          ...problems('INVALID_ID', 'VALIDATION_FAILED', 'VERSION_CONFLICT'),
        },
      },
    },
    async (request, reply) => {
      const { toolTypeId: id } = request.params
      const { reason, version: named, ...changes } = request.body
      const version = readBasedOn(request.headers['if-match'], named)
      const change = { action: 'tool_type.updated', subjectType: 'tool_type', reason } as const
      await changeAudited(deps, { ...change, request }, async tx => {
        const { before, after } = await changeStored(tx, { id, version }, changes)
        return { subjectId: id, before: toAdminToolType(before), after: toAdminToolType(after) }
      })
      const type = await readToolType(deps.database, id)
      reply.header('etag', etagOf(type))
      return toAdminToolType(type)
    },
  )
}
