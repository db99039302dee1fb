import { createServer, type RequestListener, type Server } from 'node:http'
import type { Test } from 'tap'
import { type Alb, type AlbOptions, startAlb } from '../src/alb/alb.ts'
import { closeServer, listen } from '../src/listening.ts'
import { loadRouting } from '../src/routing.ts'

export interface Target {
  readonly url: string
  readonly port: number
  readonly server: Server
  close(): Promise<void>
}

/** A service for the balancer to balance: healthy at /health, everything else by the handler. */
export async function startTarget(
  t: Test,
  handler: RequestListener,
  options: { port?: number; health?: () => number } = {},
): Promise<Target> {
  const server = createServer((request, response) => {
    if (request.url !== '/health') return handler(request, response)
    response.writeHead(options.health?.() ?? 200).end()
  })
  const url = await listen(server, { port: options.port ?? 0 })
  const close = () => closeServer(server, 0)
  t.teardown(close)
  return { url, port: Number(new URL(url).port), server, close }
}

/** A balancer with short waits. */
export async function startTestAlb(t: Test, options: Omit<AlbOptions, 'routing'>): Promise<Alb> {
  const alb = await startAlb({
    routing: await loadRouting(),
    healthIntervalMs: 20,
    waitMs: 200,
    drainMs: 0,
    ...options,
  })
  t.teardown(() => alb[Symbol.asyncDispose]())
  return alb
}

/** Polls until the claim holds; fails the test when it does not within two seconds. */
export async function until(claim: () => boolean | Promise<boolean>, deadlineMs = 2_000) {
  const giveUpAt = Date.now() + deadlineMs
  while (!(await claim())) {
    if (Date.now() > giveUpAt) throw new Error('The awaited condition did not come about')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** The body of a reply as a bag of fields to look into. */
export async function readJson(reply: Response): Promise<Record<string, unknown>> {
  const body: unknown = await reply.json()
  if (typeof body !== 'object' || body === null) throw new Error('The reply is not an object')
  return { ...body }
}
