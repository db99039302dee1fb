import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Test } from 'tap'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** What a page finds at its own origin: a server that answers as a test says. */
export async function startPlatform(t: Test, answer: Answer): Promise<IncomingMessage[]> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    request.resume()
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  useOrigin(t, `http://127.0.0.1:${address.port}`)
  return requests
}

/** A page names paths, and the browser knows the origin; so does this. */
export function useOrigin(t: Test, origin: string): void {
  const { fetch } = globalThis
  globalThis.fetch = (path, init) => fetch(new URL(String(path), origin), init)
  t.teardown(() => {
    globalThis.fetch = fetch
  })
}

export function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'r-1' })
  response.end(JSON.stringify(body))
}
