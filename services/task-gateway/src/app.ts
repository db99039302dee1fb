import type { AssetLinks } from '@funmagic/asset/resolve-url'
import type { Database } from '@funmagic/database/client'
import { createServer, type HttpServer, type ServerOptions } from '@funmagic/runtime/http-server'
import { registerRateLimits } from '@funmagic/session/limit-requests'
import type { RateLimits } from '@funmagic/session/rate-limits'
import {
  registerSession,
  requireSession,
  requireUser,
  type SessionPluginOptions,
} from '@funmagic/session/require-user'
import type { AdminDeps } from './admin/changes.ts'
import { adminRoutes } from './admin/admin-routes.ts'
import { timeoutDefaultMs, type OrderDeps } from './orders.ts'
import { askQuote } from './routes/ask-quote.ts'
import { cancelTask } from './routes/cancel-task.ts'
import { getTask } from './routes/get-task.ts'
import { getTool } from './routes/get-tool.ts'
import { listTasks } from './routes/list-tasks.ts'
import { listTools } from './routes/list-tools.ts'
import { receiveProviderEvent, type ReceiveDeps } from './routes/receive-provider-event.ts'
import { submitTask, type SubmissionDeps } from './routes/submit-task.ts'
import { createTaskViews } from './task-views.ts'

export interface GatewayDeps {
  readonly server: Omit<ServerOptions, 'service' | 'title' | 'description'>
  readonly session: SessionPluginOptions
  readonly limits: RateLimits
  readonly database: Database
  readonly orders: Omit<OrderDeps, 'database'> & { readonly links: AssetLinks }
  readonly submission: SubmissionDeps
  readonly inbox: Omit<ReceiveDeps, 'database' | 'events'>
  readonly admin: Omit<AdminDeps, 'database' | 'events' | 'announcer' | 'retries'>
}

export async function buildApp(deps: GatewayDeps): Promise<HttpServer> {
  const { database, submission } = deps
  const { links, availability } = deps.orders
  const { announcer, events } = submission
  const httpServer = await createServer({
    ...deps.server,
    service: 'task-gateway',
    title: 'FunMagic tasks',
    description: 'Tools, and the tasks that run them',
  })
  const { app } = httpServer
  await app.register(registerSession, deps.session)
  await app.register(registerRateLimits, { limits: deps.limits })

  await app.register(async publicRoutes => {
    await publicRoutes.register(listTools, { database, availability })
    await publicRoutes.register(getTool, { database, availability })
  })

  await app.register(receiveProviderEvent, { database, events, ...deps.inbox })

  const taskViews = createTaskViews({ database, links })
  const orders = { database, ...deps.orders }
  // Before the body is read: a stranger learns nothing about what is wrong with it.
  await app.register(async users => {
    users.addHook('onRequest', requireUser)
    await users.register(askQuote, { orders })
    await users.register(submitTask, { orders, taskViews, ...submission })
  })
  await app.register(async readers => {
    readers.addHook('onRequest', requireSession)
    await readers.register(listTasks, { database, taskViews })
    await readers.register(getTask, { database, taskViews })
    await readers.register(cancelTask, { database, taskViews, announcer, events })
  })
  const { dispatcher } = submission
  const retries = { dispatcher, timeoutDefaultMs: timeoutDefaultMs(orders.timeouts) }
  await app.register(adminRoutes, { database, events, announcer, retries, ...deps.admin })
  return httpServer
}
