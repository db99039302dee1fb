import { once } from 'node:events'
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { host } from '../local/ports.ts'
import { Random } from './random.ts'

// One proxy stands on one link between processes. What it does to the bytes is its mode, which
// holds at once for every connection, the open ones included. Bytes are never changed or swapped:
// what arrives is always a prefix of what was sent.

export type LinkMode =
  | { readonly kind: 'pass' }
  | { readonly kind: 'delay'; readonly delayMs: number; readonly jitterMs: number }
  /** Nothing is read or written and nothing is closed: only a deadline of one's own helps. */
  | { readonly kind: 'blackhole' }
  /** Every connection ends with RST, new ones as soon as they are there. */
  | { readonly kind: 'reset' }
  /** Nobody listens any more. */
  | { readonly kind: 'refuse' }
  /** A connection ends with RST after so many further bytes towards the client. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Pieces of at most so many bytes, a moment apart. */
  | { readonly kind: 'slice'; readonly sliceBytes: number }

export interface ProxyOptions {
  readonly target: { readonly host: string; readonly port: number }
  readonly seed: number
}

interface Direction {
  readonly from: Socket
  readonly to: Socket
  readonly isTowardsClient: boolean
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** What cut still lets through. */
  bytesLeft: number
}

const slicePauseMs = 1

/** A link that can be broken in the ways that real ones break; disposing it ends everything. */
export class FaultProxy implements AsyncDisposable {
  readonly #options: ProxyOptions
  readonly #random: Random
  readonly #pairs = new Set<Pair>()
  readonly #server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, client =>
    this.#connect(client),
  )
  #mode: LinkMode = { kind: 'pass' }
  #changed = Promise.withResolvers<void>()
  #port = 0

  private constructor(options: ProxyOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
  }

  static async start(options: ProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options)
    await proxy.#listen()
    return proxy
  }

  get port(): number {
    return this.#port
  }

  get mode(): LinkMode {
    return this.#mode
  }

  get connections(): number {
    return this.#pairs.size
  }

  /** Resolves when the mode holds: whoever connects then meets it. */
  async set(mode: LinkMode): Promise<void> {
    const before = this.#mode
    this.#mode = mode
    for (const pair of this.#pairs) {
      if (mode.kind === 'cut') pair.bytesLeft = mode.afterBytes
      if (mode.kind === 'reset' || mode.kind === 'refuse') this.#end(pair)
    }
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
    if (mode.kind === 'refuse' && before.kind !== 'refuse') await this.#stopListening()
    if (mode.kind !== 'refuse' && before.kind === 'refuse') await this.#listen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.set({ kind: 'refuse' })
  }

  async #listen(): Promise<void> {
    this.#server.listen({ port: this.#port, host })
    await once(this.#server, 'listening')
    // The server listens on a port and not on a pipe, so its address is an object.
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async #stopListening(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  #connect(client: Socket): void {
    // Its end is noticed by the loops below.
    client.on('error', () => undefined)
    if (this.#mode.kind === 'reset') {
      client.resetAndDestroy()
      return
    }
    const server = createConnection({ ...this.#options.target, allowHalfOpen: true })
    server.on('error', () => undefined)
    client.setNoDelay(true)
    server.setNoDelay(true)
    const bytesLeft = this.#mode.kind === 'cut' ? this.#mode.afterBytes : Infinity
    const pair = { client, server, bytesLeft }
    this.#pairs.add(pair)
    const directions = [
      this.#pump(pair, { from: client, to: server, isTowardsClient: false }),
      this.#pump(pair, { from: server, to: client, isTowardsClient: true }),
    ]
    // Two directions.
    void Promise.all(directions).finally(() => this.#end(pair))
  }

  /** Carries the bytes of one direction until one of the two sockets has ended. */
  async #pump(pair: Pair, { from, to, isTowardsClient }: Direction): Promise<void> {
    try {
      // Left open at its end: the other direction may still have something to say.
      const chunks: AsyncIterable<Buffer> = from.iterator({ destroyOnReturn: false })
      for await (const chunk of chunks) {
        for (const piece of this.#pieces(chunk)) await this.#carry(pair, to, piece, isTowardsClient)
      }
      await this.#whilePassing()
      to.end()
    } catch {
      // A socket was reset or destroyed, by one of the ends or here: so is the other one.
      this.#end(pair)
    }
  }

  async #carry(pair: Pair, to: Socket, piece: Buffer, isTowardsClient: boolean): Promise<void> {
    await this.#whilePassing()
    const mode = this.#mode
    if (mode.kind === 'delay') await pause(mode.delayMs + this.#random.next() * mode.jitterMs)
    if (mode.kind === 'slice') await pause(slicePauseMs)
    const isCut = isTowardsClient && this.#mode.kind === 'cut'
    const sent = isCut ? piece.subarray(0, pair.bytesLeft) : piece
    if (isCut) pair.bytesLeft -= sent.length
    if (!to.writable) throw new Error('the other end is gone')
    if (!to.write(sent)) await once(to, 'drain')
    if (isCut && pair.bytesLeft <= 0) this.#end(pair)
  }

  #pieces(chunk: Buffer): Buffer[] {
    if (this.#mode.kind !== 'slice') return [chunk]
    const { sliceBytes } = this.#mode
    const count = Math.ceil(chunk.length / sliceBytes)
    return Array.from({ length: count }, (_, index) =>
      chunk.subarray(index * sliceBytes, (index + 1) * sliceBytes),
    )
  }

  /** Bounded by whoever sets the next mode. */
  async #whilePassing(): Promise<void> {
    while (this.#mode.kind === 'blackhole') await this.#changed.promise
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return
    const isGentle = pair.client.readableEnded && pair.server.readableEnded
    for (const socket of [pair.client, pair.server]) {
      if (isGentle) socket.end()
      else breakOff(socket)
    }
  }
}

/**
 * Ends the connection with RST where that can be done. While its end is under way libuv refuses to
 * (EINVAL), and Node then leaves the socket open for ever, so that the process could not end.
 */
export function breakOff(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
