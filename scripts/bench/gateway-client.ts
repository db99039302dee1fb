import { Agent, request } from 'node:http'
import type { Payer } from './engine.ts'

/** Submits tasks over connections that stay open, as a load balancer does. */
export class GatewayClient implements Disposable {
  readonly #url: string
  readonly #agent: Agent

  constructor(url: string, lanes: number) {
    this.#url = `${url}/api/tasks`
    this.#agent = new Agent({ keepAlive: true, maxSockets: lanes })
  }

  /** Returns what the gateway says of the task, which has ended where that was waited for. */
  async submit(payer: Payer, waitSeconds = 0): Promise<{ id: string; status: string }> {
    const body = JSON.stringify({ toolSlug: 'painter', input: { prompt: 'a lighthouse' } })
    const { status, text } = await this.#send(body, {
      cookie: payer.cookie,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      ...(waitSeconds > 0 && { prefer: `wait=${waitSeconds}` }),
    })
    if (status !== 201) throw new Error(`the gateway answered ${status} ${text}`)
    // By the contract of the API.
    const { task } = JSON.parse(text) as { task: { id: string; status: string } }
    return task
  }

  #send(body: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
    const outgoing = request(this.#url, { method: 'POST', agent: this.#agent, headers }, reply => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('error', reject)
      reply.on('end', () => {
        resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
    return promise
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}
