import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { addServedBy, requestHeaders, responseHeaders } from './headers.ts'
import { problemOf } from './forward.ts'
import { writeProblem } from './problem-reply.ts'
import { prepare, type TargetGroup } from './target-group.ts'

export interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Socket
  /** Bytes that came right behind the request. */
  readonly head: Buffer
  readonly targets: TargetGroup
  readonly group: string
  readonly port: number
  readonly idleTimeoutMs: number
}

/** Passes a WebSocket handshake on and then joins the two sockets until either end closes. */
export async function forwardUpgrade(upgrade: Upgrade): Promise<void> {
  const { request, socket, targets } = upgrade
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  const opened = await targets.open(target => {
    const forwarding = { port: upgrade.port, targetHost: target.host, isUpgrade: true }
    return prepare(target, {
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: requestHeaders(request, forwarding),
      agent: false,
    })
  }, gone.signal)
  if (opened.kind !== 'connected') {
    writeProblem(socket, problemOf(opened))
    return
  }

  const upstream = opened.request
  upstream.once('error', () => writeProblem(socket, 'BAD_GATEWAY'))
  upstream.once('response', reply => relayRefusal(upgrade, reply))
  upstream.once('upgrade', (reply, target, targetHead) => {
    writeHead(upgrade, reply)
    if (targetHead.length > 0) socket.write(targetHead)
    if (upgrade.head.length > 0) target.write(upgrade.head)
    join(socket, target, upgrade.idleTimeoutMs)
  })
  socket.once('close', () => upstream.destroy())
  upstream.end()
}

/** The target answered the handshake with an ordinary reply, such as 401. */
function relayRefusal(upgrade: Upgrade, reply: IncomingMessage): void {
  writeHead(upgrade, reply)
  reply.on('error', () => upgrade.socket.destroy())
  reply.pipe(upgrade.socket)
}

function writeHead(upgrade: Upgrade, reply: IncomingMessage): void {
  const isSwitch = reply.statusCode === 101
  const lines = addServedBy(responseHeaders(reply, isSwitch), upgrade.group)
  if (!isSwitch) lines.push('Connection', 'close')
  let head = `HTTP/1.1 ${reply.statusCode} ${reply.statusMessage}\r\n`
  for (let at = 0; at + 1 < lines.length; at += 2) head += `${lines[at]}: ${lines[at + 1]}\r\n`
  upgrade.socket.write(`${head}\r\n`, 'latin1')
}

function join(client: Socket, target: Socket, idleTimeoutMs: number): void {
  const cut = () => {
    client.destroy()
    target.destroy()
  }
  for (const socket of [client, target]) {
    socket.setNoDelay(true)
    socket.setTimeout(idleTimeoutMs, cut)
    socket.once('error', cut)
    socket.once('close', cut)
  }
  client.pipe(target)
  target.pipe(client)
}
