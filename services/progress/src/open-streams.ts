import { AppError } from '@funmagic/contract/problem'
import type { UserId } from '@funmagic/contract/ids'
import { startId, type Frame, type FrameData } from './frames.ts'

/** One connection, whatever it speaks. `send` returns false when the reader is too slow. */
export interface StreamTransport {
  send(frame: Frame): boolean
  close(reason: CloseReason): void
}

export type CloseReason =
  'finished' | 'gone' | 'slow_consumer' | 'signed_out' | 'shutting_down' | 'failed'

/** A stream that is open: it remembers the last id it sent and when it last said anything. */
export class OpenStream {
  readonly userId: UserId
  lastId: string
  lastSentAtMs = performance.now()
  isClosed = false
  readonly #transport: StreamTransport
  readonly #closers: ((reason: CloseReason) => void)[] = []

  constructor(deps: { userId: UserId; lastId: string | undefined; transport: StreamTransport }) {
    this.userId = deps.userId
    this.lastId = deps.lastId ?? startId
    this.#transport = deps.transport
  }

  /** Sends an event under its own id, or a frame of the connection under the last one. */
  send(data: FrameData, id?: string): void {
    if (this.isClosed) return
    this.lastId = id ?? this.lastId
    this.lastSentAtMs = performance.now()
    const isKeepingUp = this.#transport.send({ id: this.lastId, data })
    // Replay is safe, so a reader that falls behind is cut and comes back (reliability §1.14).
    if (!isKeepingUp) this.close('slow_consumer')
  }

  /** Runs the work when the stream ends, or at once when it has ended. */
  onClose(work: (reason: CloseReason) => void): void {
    if (this.isClosed) work('gone')
    else this.#closers.push(work)
  }

  close(reason: CloseReason): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#transport.close(reason)
    for (const work of this.#closers.splice(0)) work(reason)
  }
}

export interface StreamLimits {
  readonly perUserMax: number
  readonly perProcessMax: number
  readonly heartbeatMs: number
}

/** All streams of the process: their limits, their heartbeat, and their end at shutdown. */
export class OpenStreams {
  readonly #streams = new Set<OpenStream>()
  readonly #countByUser = new Map<UserId, number>()
  readonly #limits: StreamLimits
  readonly #heartbeat: NodeJS.Timeout
  #isClosing = false

  constructor(limits: StreamLimits) {
    this.#limits = limits
    this.#heartbeat = setInterval(() => this.#beat(), limits.heartbeatMs / 4).unref()
  }

  /** Throws TOO_MANY_STREAMS for the user's limit and OVERLOADED for the process's. */
  requirePlace(userId: UserId): void {
    const isFull = this.#streams.size >= this.#limits.perProcessMax
    if (isFull || this.#isClosing) throw new AppError('OVERLOADED', { retryAfterSeconds: 2 })
    if ((this.#countByUser.get(userId) ?? 0) >= this.#limits.perUserMax) {
      const suggestion = 'Close another stream, or follow all tasks by /api/progress/stream.'
      throw new AppError('TOO_MANY_STREAMS', { details: { suggestion }, retryAfterSeconds: 5 })
    }
  }

  /** Call requirePlace before anything of the reply is sent. */
  open(deps: {
    userId: UserId
    lastId: string | undefined
    transport: StreamTransport
  }): OpenStream {
    const stream = new OpenStream(deps)
    this.#streams.add(stream)
    this.#count(deps.userId, 1)
    stream.onClose(() => {
      this.#streams.delete(stream)
      this.#count(deps.userId, -1)
    })
    return stream
  }

  get size(): number {
    return this.#streams.size
  }

  /** Ends every stream and takes no new one; clients come back to another process. */
  closeAll(): void {
    this.#isClosing = true
    clearInterval(this.#heartbeat)
    for (const stream of this.#streams) stream.close('shutting_down')
  }

  #count(userId: UserId, change: 1 | -1): void {
    const count = (this.#countByUser.get(userId) ?? 0) + change
    if (count === 0) this.#countByUser.delete(userId)
    else this.#countByUser.set(userId, count)
  }

  #beat(): void {
    const silentSince = performance.now() - this.#limits.heartbeatMs
    for (const stream of this.#streams) {
      if (stream.lastSentAtMs <= silentSince) stream.send({ type: 'heartbeat' })
    }
  }
}
