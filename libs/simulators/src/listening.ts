import { once } from 'node:events'
import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** One event of a simulator; a process writes it out as a line of JSON, a test may collect it. */
export type Log = (event: Readonly<Record<string, unknown>>) => void

export interface ListenOptions {
  /** 0, the default, takes any free port. */
  readonly port?: number
  /** The loopback address unless a container has to be reached from others. */
  readonly host?: string
}

/** Starts listening; resolves with the address under which this machine reaches the server. */
export async function listen(server: Server, options: ListenOptions): Promise<string> {
  const host = options.host ?? '127.0.0.1'
  server.listen(options.port ?? 0, host)
  await once(server, 'listening')
  return `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${portOf(server)}`
}

export function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port')
  return address.port
}

/** Stops accepting, lets open requests finish until the deadline, then cuts what is left. */
export async function closeServer(server: Server, drainMs: number): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  const deadline = Date.now() + drainMs
  // Node keeps a connection alive after its last reply even when the server is closing.
  do server.closeIdleConnections()
  while ((await isPending(closed)) && Date.now() < deadline)
  server.closeAllConnections()
  await closed
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => false), sleep(20, true)])
}
