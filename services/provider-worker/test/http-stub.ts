import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Test } from 'tap'

/** An HTTP server of a test, for what no simulator does. */
export async function startStub(
  t: Test,
  answer: (request: IncomingMessage, reply: ServerResponse) => void | Promise<void>,
): Promise<{ url: string }> {
  const server = createServer((request, reply) => void answer(request, reply))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the stub has no port')
  return { url: `http://127.0.0.1:${address.port}` }
}
