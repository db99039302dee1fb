import { createHash } from 'node:crypto'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { closeServer, listen, type ListenOptions, type Log } from '../listening.ts'
import { parseForm, type FormObject } from './form-body.ts'
import { registerHostedPage } from './hosted-page.ts'
import { idOf, Shelf, type StripeObject } from './objects.ts'
import { missing, StripeRefusal } from './refusal.ts'
import { Shop } from './shop.ts'
import { Webhooks, type Delivery, type DeliveryScript } from './webhooks.ts'

export { signatureOf } from './webhooks.ts'

export interface StripeOptions extends ListenOptions {
  /** Where events go; nowhere without it. */
  readonly webhook?: { readonly url: string; readonly secret: string }
  readonly drainMs?: number
  readonly log?: Log
}

/** Stripe as far as it is used, and the hands of the buyer, the bank and the network. */
export interface StripeSimulator extends AsyncDisposable {
  readonly url: string
  /** What goes into the official client in place of its own address. */
  readonly client: { readonly protocol: 'http'; readonly host: string; readonly port: number }
  pay(sessionId: string, method?: 'card' | 'delayed'): void
  conclude(sessionId: string, isPaid: boolean): void
  expire(sessionId: string): void
  dispute(paymentIntentId: string): string
  closeDispute(disputeId: string, status: 'won' | 'lost'): void
  script(script: DeliveryScript): void
  clearScripts(): void
  deliveries(): readonly Delivery[]
}

const defaultDrainMs = 500
const pageLimitMax = 100

export async function startStripe(options: StripeOptions = {}): Promise<StripeSimulator> {
  const log = options.log ?? (() => undefined)
  const webhooks = new Webhooks(options.webhook, log)
  let url = ''
  const shop = new Shop({
    pageUrl: id => `${url}/pay/${id}`,
    announce: event => webhooks.send(event),
  })
  const app = await buildApp(shop, webhooks, log)
  url = await listen(app.server, options)
  const { hostname, port } = new URL(url)
  return {
    url,
    client: { protocol: 'http', host: hostname, port: Number(port) },
    pay: (id, method) => void shop.pay(id, method),
    conclude: (id, isPaid) => void shop.conclude(id, isPaid),
    expire: id => void shop.expireSession(id),
    dispute: id => shop.dispute(id).id,
    closeDispute: (id, status) => void shop.closeDispute(id, status),
    script: script => webhooks.script(script),
    clearScripts: () => webhooks.clearScripts(),
    deliveries: () => webhooks.deliveries,
    [Symbol.asyncDispose]: async () => {
      await webhooks.close()
      await closeServer(app.server, options.drainMs ?? defaultDrainMs)
      await app.close()
    },
  }
}

async function buildApp(shop: Shop, webhooks: Webhooks, log: Log): Promise<FastifyInstance> {
  const app = fastify()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, parseForm(String(body))),
  )
  app.addHook('onResponse', async (request, reply) => {
    const path = request.url.split('?', 1)[0]
    log({ event: 'stripe.request', method: request.method, path, status: reply.statusCode })
  })
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof StripeRefusal) return reply.status(error.status).send(error.body)
    const message = error instanceof Error ? error.message : String(error)
    return reply.status(400).send({ error: { type: 'invalid_request_error', message } })
  })
  app.get('/health', async () => ({ status: 'ok', simulator: 'stripe' }))
  registerHostedPage(app, shop)
  registerControl(app, shop, webhooks)
  app.register(async scope => registerApi(scope, shop), { prefix: '/v1' })
  await app.ready()
  return app
}

interface ById {
  Params: { id: string }
}

function registerApi(app: FastifyInstance, shop: Shop): void {
  app.addHook('onRequest', async request => requireKey(request))
  const once = rememberPosts()
  app.post('/checkout/sessions', request => once(request, form => shop.createSession(form)))
  app.get<ById>('/checkout/sessions/:id', async ({ params }) => shop.readSession(params.id))
  app.post<ById>('/checkout/sessions/:id/expire', request =>
    once(request, () => shop.expireSession(request.params.id)),
  )
  app.post('/refunds', request => once(request, form => shop.refund(form)))
  const readers = {
    payment_intents: shop.intents,
    charges: shop.charges,
    refunds: shop.refunds,
    disputes: shop.disputes,
    events: shop.events,
  }
  for (const [noun, shelf] of Object.entries(readers)) {
    app.get<ById>(`/${noun}/:id`, async ({ params }) => {
      const found = shelf.find(params.id)
      if (found === undefined) throw missing(noun.replace(/s$/, ''), params.id)
      return found
    })
  }
  app.get<{ Querystring: { limit?: string; type?: string } }>('/events', async ({ query }) => {
    const limit = Math.min(Number(query.limit ?? 10), pageLimitMax)
    const all = shop.events.newestFirst().filter(({ type }) => (query.type ?? type) === type)
    const data = all.slice(0, limit)
    return { object: 'list', url: '/v1/events', has_more: all.length > limit, data }
  })
}

function requireKey(request: FastifyRequest): void {
  if (/^Bearer sk_\w+$/.test(request.headers.authorization ?? '')) return
  throw new StripeRefusal(401, {
    type: 'invalid_request_error',
    message: 'You did not provide an API key.',
  })
}

/** A POST under the same Idempotency-Key answers as the first did; with other values, an error. */
function rememberPosts() {
  const replies = new Shelf<{ readonly hash: string; readonly reply: StripeObject }>()
  return async (request: FastifyRequest, work: (form: FormObject) => StripeObject) => {
    // Parsed by the form parser above; a POST without a body has none.
    const form = (request.body ?? {}) as FormObject
    const hash = createHash('sha256')
      .update(request.url + JSON.stringify(form))
      .digest('hex')
    const key = String(request.headers['idempotency-key'] ?? idOf('none'))
    const earlier = replies.find(key)
    if (earlier !== undefined && earlier.hash !== hash) {
      throw new StripeRefusal(400, {
        type: 'idempotency_error',
        message: 'Keys for idempotent requests can only be used with the same parameters.',
      })
    }
    if (earlier !== undefined) return earlier.reply
    const reply = structuredClone(work(form))
    replies.add(key, { hash, reply })
    return reply
  }
}

/** The same hands over HTTP: what the buyer, the bank and the network do. */
function registerControl(app: FastifyInstance, shop: Shop, webhooks: Webhooks): void {
  app.post<ById & { Body: { method?: 'card' | 'delayed' } }>(
    '/_control/sessions/:id/pay',
    async ({ params, body }) => shop.pay(params.id, body?.method),
  )
  app.post<ById & { Body: { isPaid: boolean } }>(
    '/_control/sessions/:id/conclude',
    async ({ params, body }) => shop.conclude(params.id, body.isPaid),
  )
  app.post<ById>('/_control/sessions/:id/expire', async ({ params }) =>
    shop.expireSession(params.id),
  )
  app.post<ById>('/_control/payment_intents/:id/dispute', async ({ params }) =>
    shop.dispute(params.id),
  )
  app.post<ById & { Body: { status: 'won' | 'lost' } }>(
    '/_control/disputes/:id/close',
    async ({ params, body }) => shop.closeDispute(params.id, body.status),
  )
  app.post<{ Body: DeliveryScript }>('/_control/webhooks', (request, reply) => {
    webhooks.script(request.body)
    return reply.status(204).send()
  })
  app.delete('/_control/webhooks', (_request, reply) => {
    webhooks.clearScripts()
    return reply.status(204).send()
  })
  app.get('/_control/webhooks', async () => ({ deliveries: webhooks.deliveries }))
}
