import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'
import { host } from '../local/ports.ts'
import type { Setting } from './setting.ts'

export interface StatementCounter {
  /** The address of the database, through the counter. */
  readonly url: string
  /** What was executed since it was opened, BEGIN and COMMIT too. */
  count(): number
}

const lengthBytes = 4
const sslRequest = 80_877_103
// Execute and Query of the frontend protocol (PostgreSQL, "Message Formats").
const executions = ['E', 'Q'].map(type => type.charCodeAt(0))

/** Stands between a service and Postgres and counts the statements that go through. */
export async function countStatements(setting: Setting, url: string): Promise<StatementCounter> {
  const target = new URL(url)
  let executed = 0
  const sockets = new Set<Socket>()
  const server = createServer(service => {
    const postgres = connect(Number(target.port || 5432), target.hostname)
    for (const socket of [service, postgres]) {
      sockets.add(socket)
      // Either end may close first; the other then closes too.
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    }
    const read = readFrontend(() => executed++)
    service.on('data', read)
    service.pipe(postgres).pipe(service)
  })
  server.listen(0, host)
  await once(server, 'listening')
  setting.onClose(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The system gave no port')
  const through = new URL(url)
  through.host = `${host}:${address.port}`
  return { url: through.href, count: () => executed }
}

/** The messages of one connection: the first have no type. */
function readFrontend(onExecute: () => void): (chunk: Buffer) => void {
  let pending = Buffer.alloc(0)
  let isStarting = true
  return chunk => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      // Ends with the last whole message of the chunk.
      const typeBytes = isStarting ? 0 : 1
      if (pending.length < typeBytes + lengthBytes) return
      const end = typeBytes + pending.readUInt32BE(typeBytes)
      if (pending.length < end) return
      if (!isStarting && executions.includes(pending.readUInt8(0))) onExecute()
      if (isStarting) isStarting = pending.readUInt32BE(lengthBytes) === sslRequest
      pending = pending.subarray(end)
    }
  }
}
