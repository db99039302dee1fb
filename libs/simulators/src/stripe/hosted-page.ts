import type { FastifyInstance } from 'fastify'
import type { Session } from './objects.ts'
import type { Shop } from './shop.ts'

/** The page that a buyer is sent to: what it costs, a button to pay, a link back. */
export function registerHostedPage(app: FastifyInstance, shop: Shop): void {
  app.get<{ Params: { id: string } }>('/pay/:id', (request, reply) => {
    const session = shop.readSession(request.params.id)
    return reply.type('text/html; charset=utf-8').send(pageOf(session))
  })
  app.post<{ Params: { id: string } }>('/pay/:id', (request, reply) => {
    const { success_url: url, id } = shop.pay(request.params.id)
    return reply.redirect(url.replace('{CHECKOUT_SESSION_ID}', id), 303)
  })
}

function pageOf(session: Session): string {
  const price = `${(session.amount_total / 100).toFixed(2)} ${session.currency.toUpperCase()}`
  const back = session.cancel_url === null ? '' : `<a href="${escape(session.cancel_url)}">Back</a>`
  const form =
    session.status === 'open'
      ? `<form method="post"><button>Pay ${price}</button></form>${back}`
      : `<p>This page is ${session.status}.</p>`
  return `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Simulated checkout</title>
<style>body{font:18px system-ui;max-width:24rem;margin:15vh auto;padding:0 1rem}
button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:.5rem;background:#635bff;color:#fff}
</style><h1>Simulated checkout</h1>
<p>This stands in for Stripe. No money moves.</p>${form}</html>`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
}
