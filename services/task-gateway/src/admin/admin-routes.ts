import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { nameAllFaults } from '@funmagic/runtime/validation'
import { requireRole } from '@funmagic/session/require-user'
import {
  changeProvider,
  createProvider,
  deleteProvider,
  getProvider,
  listProviders,
  providerKinds,
} from '../routes/admin/providers.ts'
import {
  countDeadLetters,
  listDeadLetters,
  retryDeadLetters,
} from '../routes/admin/dead-letters.ts'
import {
  changeToolType,
  createToolType,
  getToolType,
  listToolTypes,
} from '../routes/admin/tool-types.ts'
import { cancelTask, getTask, listTasks } from '../routes/admin/tasks.ts'
import {
  changeTool,
  createTool,
  getTool,
  listTools,
  listToolVersions,
} from '../routes/admin/tools.ts'
import type { AdminDeps } from './changes.ts'

/** What operators do here (S6): a role before anything is read, every fault of a body named. */
export const adminRoutes: RoutePlugin<AdminDeps> = async (app, deps) => {
  app.addHook('onRequest', requireRole('admin'))
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
  nameAllFaults(app)

  for (const route of [listToolTypes, createToolType, getToolType, changeToolType]) {
    await app.register(route, deps)
  }
  for (const route of [listTools, createTool, getTool, changeTool, listToolVersions]) {
    await app.register(route, deps)
  }
  for (const route of [listTasks, getTask, cancelTask]) await app.register(route, deps)
  for (const route of [listDeadLetters, countDeadLetters, retryDeadLetters]) {
    await app.register(route, deps)
  }
  for (const kind of providerKinds) {
    await app.register(listProviders, { ...deps, kind })
    await app.register(createProvider, { ...deps, kind })
    await app.register(getProvider, { ...deps, kind })
    await app.register(changeProvider, { ...deps, kind })
    await app.register(deleteProvider, { ...deps, kind })
  }
}
