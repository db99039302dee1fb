import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface DeafProxy {
  readonly url: string
  /**
   * The open connections that the test names by what they have sent hear nothing more and are not
   * heard, though they stay open, as behind a firewall that forgot them. New ones are well.
   */
  deafen(which: RegExp): number
}

/** Stands before a Redis and can cut connections off in silence. */
export async function startDeafProxy(t: Test, target: string): Promise<DeafProxy> {
  const { port } = new URL(target)
  const links = new Set<Link>()
  const server = createServer(client => {
    const upstream = createConnection({ host: '127.0.0.1', port: Number(port) })
    const link: Link = { sent: '', isDeaf: false, end: () => [client, upstream].forEach(end) }
    links.add(link)
    client.on('data', chunk => {
      link.sent = (link.sent + chunk.toString('latin1')).slice(-sentMax)
      if (!link.isDeaf) upstream.write(chunk)
    })
    upstream.on('data', chunk => {
      if (!link.isDeaf) client.write(chunk)
    })
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        link.end()
        links.delete(link)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const link of links) link.end()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `redis://127.0.0.1:${address.port}`,
    deafen: which => {
      const named = [...links].filter(link => which.test(link.sent))
      for (const link of named) link.isDeaf = true
      return named.length
    },
  }
}

const sentMax = 10_000

interface Link {
  /** The last that came from the client. */
  sent: string
  isDeaf: boolean
  readonly end: () => void
}

function end(socket: Socket): void {
  socket.destroy()
}
