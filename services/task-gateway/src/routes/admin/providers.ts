import { ChangeProvider, CreateProvider, ProviderView } from '@funmagic/contract/admin-provider'
import { Id } from '@funmagic/contract/ids'
import { Page, pageQuery, readPage } from '@funmagic/contract/page'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Transaction } from '@funmagic/database/transaction'
import {
  changeProvider as changeStored,
  createProvider as createStored,
  deleteProvider as deleteStored,
  listProviders as listStored,
  lockProvider,
  readProvider,
  type ProviderTable,
} from '@funmagic/provider/provider-changes'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import { etagOf, readBasedOn } from '@funmagic/runtime/version-match'
import { findProviderUses } from '@funmagic/task/tool-changes'
import Type from 'typebox'
import { changeAudited, type AdminDeps } from '../../admin/changes.ts'
import { requirePublicAddress } from '../../admin/provider-address.ts'
import { toProviderView } from '../../admin/views.ts'

/** The same operations on two sets of providers: the users’ and the operators’ own (V1). */
export interface ProviderKind {
  readonly path: '/api/admin/providers' | '/api/admin/admin-providers'
  readonly table: ProviderTable
  readonly subjectType: 'provider' | 'admin_provider'
  readonly scope: 'web' | 'admin'
}

export const providerKinds: readonly ProviderKind[] = [
  { path: '/api/admin/providers', table: 'providers', subjectType: 'provider', scope: 'web' },
  {
    path: '/api/admin/admin-providers',
    table: 'admin_providers',
    subjectType: 'admin_provider',
    scope: 'admin',
  },
]

type ProviderDeps = AdminDeps & { readonly kind: ProviderKind }

const ProviderParams = Type.Object({ providerId: Id })
const IfMatch = Type.Object({ 'if-match': Type.Optional(Type.String({ maxLength: 100 })) })
const readProblems = problems('INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND')

export const listProviders: RoutePlugin<ProviderDeps> = async (app, { database, kind }) => {
  app.get(
    kind.path,
    {
      schema: {
        summary: 'The providers, without their keys',
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: {
          200: Page(ProviderView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN'),
        },
      },
    },
    async ({ query }) => {
      const page = await listStored(database, kind.table, readPage(query))
      return { ...page, items: page.items.map(toProviderView) }
    },
  )
}

export const getProvider: RoutePlugin<ProviderDeps> = async (app, { database, kind }) => {
  app.get(
    `${kind.path}/:providerId`,
    {
      schema: {
        summary: 'One provider, without its key; the ETag is its version',
        params: ProviderParams,
        response: { 200: ProviderView, ...readProblems },
      },
    },
    async (request, reply) => {
      const provider = await readProvider(database, kind.table, request.params.providerId)
      reply.header('etag', etagOf(provider))
      return toProviderView(provider)
    },
  )
}

export const createProvider: RoutePlugin<ProviderDeps> = async (app, deps) => {
  const { kind, database, credentials } = deps
  app.post(
    kind.path,
    {
      schema: {
        summary: 'Add a provider; of its key the last four characters are shown',
        headers: IdempotencyHeaders,
        body: CreateProvider,
        response: {
          201: ProviderView,
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'URL_NOT_ALLOWED',
            'UNAUTHORIZED',
            'FORBIDDEN',
            'ALREADY_EXISTS',
            'IDEMPOTENCY_MISMATCH',
          ),
        },
      },
    },
    async (request, reply) => {
      const { reason, baseUrl = null, config = {}, ...fields } = request.body
      if (baseUrl !== null) requirePublicAddress(baseUrl, deps.simulatorsUrl)
      const { subjectType, table } = kind
      const change = { action: `${subjectType}.created`, subjectType, request, reason }
      const creating = request.body
      const id = await changeAudited(deps, { ...change, creating }, async tx => {
        const provider = { ...fields, baseUrl, config, table }
        const created = await createStored(tx, credentials, provider)
        return { subjectId: created.id, after: toProviderView(created) }
      })
      const provider = await readProvider(database, table, id)
      reply.code(201).header('etag', etagOf(provider))
      return toProviderView(provider)
    },
  )
}

export const changeProvider: RoutePlugin<ProviderDeps> = async (app, deps) => {
  const { kind, database, credentials } = deps
  app.put(
    `${kind.path}/:providerId`,
    {
      schema: {
        summary: 'Change a provider, or give it a new key; its type stays',
        params: ProviderParams,
        headers: IfMatch,
        body: ChangeProvider,
        response: {
          200: ProviderView,
          ...readProblems,
          ...problems(
            'INVALID_ID',
            'VALIDATION_FAILED',
            'URL_NOT_ALLOWED',
            'ALREADY_EXISTS',
            'VERSION_CONFLICT',
          ),
        },
      },
    },
    async (request, reply) => {
      const { subjectType, table, scope } = kind
      const { providerId: id } = request.params
      const { reason, version: named, ...changes } = request.body
      const version = readBasedOn(request.headers['if-match'], named)
      if (typeof changes.baseUrl === 'string')
        requirePublicAddress(changes.baseUrl, deps.simulatorsUrl)
      const what = changes.apiKey === undefined ? 'updated' : 'key_changed'
      const change = { action: `${subjectType}.${what}`, subjectType, request, reason }
      await changeAudited(deps, change, async tx => {
        const wanted = { table, id, version, changes }
        const { before, after } = await changeStored(tx, credentials, wanted)
        return { subjectId: id, before: toProviderView(before), after: toProviderView(after) }
      })
      await deps.forgetLimits(scope, id)
      const provider = await readProvider(database, table, id)
      reply.header('etag', etagOf(provider))
      return toProviderView(provider)
    },
  )
}

export const deleteProvider: RoutePlugin<ProviderDeps> = async (app, deps) => {
  const { kind } = deps
  app.delete(
    `${kind.path}/:providerId`,
    {
      schema: {
        summary: 'Remove a provider that no tool and no unfinished task uses',
        params: ProviderParams,
        response: { 204: Type.Null(), ...readProblems, ...problems('IN_USE') },
      },
    },
    async (request, reply) => {
      const { subjectType, table, scope } = kind
      const { providerId: id } = request.params
      const change = { action: `${subjectType}.deleted`, subjectType, request }
      await changeAudited(deps, change, async tx => {
        const before = await lockProvider(tx, table, id)
        if (table === 'providers') await requireUnused(tx, id)
        await deleteStored(tx, table, id)
        return { subjectId: id, before: toProviderView(before) }
      })
      await deps.forgetLimits(scope, id)
      reply.code(204)
      return null
    },
  )
}

/** With the provider locked: a tool that names it cannot be saved meanwhile. */
async function requireUnused(tx: Transaction, id: string): Promise<void> {
  const { toolSlugs, openTasks } = await findProviderUses(tx, id)
  if (toolSlugs.length === 0 && openTasks === 0) return
  const suggestion = 'Give these tools another provider first, and let the tasks end.'
  throw new AppError('IN_USE', { details: { toolSlugs, openTasks, suggestion } })
}
