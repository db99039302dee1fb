import fastify, { type FastifyInstance } from 'fastify'
import { openWorkshop } from '../pictures/workshop.ts'
import { closeServer, listen, type ListenOptions, type Log } from '../listening.ts'
import { CallLog, type CallReport } from './call-log.ts'
import { registerDeliveries } from './deliveries.ts'
import type { Studio } from './exchange.ts'
import { registerFal } from './fal.ts'
import { FileStore } from './file-store.ts'
import { registerGemini } from './gemini.ts'
import { registerOpenAi } from './openai.ts'
import { registerReplicate } from './replicate.ts'
import { Script, Scripts } from './scripts.ts'
import { registerTripo } from './tripo.ts'
import { newStandardSecret } from './webhooks.ts'

export interface ProvidersOptions extends ListenOptions {
  /** How long a piece of work takes in all, unless a script says otherwise. */
  readonly latencyMs?: number
  /** Signs Replicate's webhooks; a new one unless told. */
  readonly replicateSecret?: string | undefined
  readonly drainMs?: number
  readonly log?: Log
}

/** The providers, and the hands of whoever tells them what to do. */
export interface Providers extends AsyncDisposable {
  readonly url: string
  /** What goes into the official clients in place of their own addresses. */
  readonly openaiUrl: string
  readonly replicateUrl: string
  readonly falUrl: string
  readonly tripoUrl: string
  readonly googleUrl: string
  /** Says what the next matching calls are to do; scripts are used up in order. */
  script(...scripts: Script[]): void
  clearScripts(): void
  /** What was really asked, counted here and not where it was asked from. */
  calls(): CallReport
  clearCalls(): void
}

const defaultLatencyMs = 2_000
const defaultDrainMs = 500
const workplaces = 2
const bodyBytesMax = 96 * 1024 * 1024

/** Starts the simulators of all providers on one port, one path prefix each. */
export async function startProviders(options: ProvidersOptions = {}): Promise<Providers> {
  const studio: Studio = {
    scripts: new Scripts(),
    calls: new CallLog(),
    files: new FileStore(),
    workshop: openWorkshop(workplaces),
    latencyMs: options.latencyMs ?? defaultLatencyMs,
    replicateSecret: options.replicateSecret ?? newStandardSecret(),
  }
  const app = await buildApp(studio, options.log ?? (() => undefined))
  const url = await listen(app.server, options)
  return {
    url,
    openaiUrl: `${url}/openai/v1`,
    replicateUrl: `${url}/replicate/v1`,
    falUrl: `${url}/fal`,
    tripoUrl: `${url}/tripo/v2/openapi`,
    googleUrl: `${url}/google`,
    script: (...scripts) => scripts.forEach(script => studio.scripts.add(script)),
    clearScripts: () => studio.scripts.clear(),
    calls: () => studio.calls.report(),
    clearCalls: () => studio.calls.clear(),
    [Symbol.asyncDispose]: async () => {
      await closeServer(app.server, options.drainMs ?? defaultDrainMs)
      await app.close()
    },
  }
}

async function buildApp(studio: Studio, log: Log): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: bodyBytesMax,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  })
  acceptEmptyJson(app)
  app.addHook('onResponse', async (request, reply) => {
    const path = request.url.split('?', 1)[0]
    log({ event: 'providers.request', method: request.method, path, status: reply.statusCode })
  })
  app.get('/health', async () => ({ status: 'ok', simulator: 'providers' }))
  registerControl(app, studio)
  app.register(async scope => registerOpenAi(scope, studio), { prefix: '/openai/v1' })
  app.register(async scope => registerReplicate(scope, studio), { prefix: '/replicate/v1' })
  app.register(async scope => registerFal(scope, studio), { prefix: '/fal' })
  app.register(async scope => registerTripo(scope, studio), { prefix: '/tripo/v2/openapi' })
  app.register(async scope => registerGemini(scope, studio), { prefix: '/google/v1beta' })
  registerDeliveries(app, studio.files, '/replicate/delivery')
  registerDeliveries(app, studio.files, '/fal/files')
  registerDeliveries(app, studio.files, '/tripo/files')
  await app.ready()
  return app
}

/** The clients of Replicate and fal say JSON and send nothing where there is nothing to say. */
function acceptEmptyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, null)
    else void parse(request, String(body), done)
  })
}

function registerControl(app: FastifyInstance, { scripts, calls }: Studio): void {
  app.post<{ Body: Script }>(
    '/_control/scripts',
    { schema: { body: Script } },
    (request, reply) => {
      scripts.add(request.body)
      return reply.status(204).send()
    },
  )
  app.delete('/_control/scripts', (_request, reply) => {
    scripts.clear()
    return reply.status(204).send()
  })
  app.get('/_control/calls', async () => calls.report())
  app.delete('/_control/calls', (_request, reply) => {
    calls.clear()
    return reply.status(204).send()
  })
}
