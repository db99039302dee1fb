import { createHash, randomBytes } from 'node:crypto'
import { createParser } from 'eventsource-parser'
import sharp from 'sharp'
import type { AssetView } from '@funmagic/contract/asset'
import type { TaskView } from '@funmagic/contract/task'

/** A user of the platform: speaks HTTP to the edge as a web client would. */
export class Client {
  readonly edge: string
  cookie = ''
  readonly #steering: Readonly<Record<string, string>>

  /** The steering headers go with every request. */
  constructor(edge: string, steering: Readonly<Record<string, string>> = {}) {
    this.edge = edge
    this.#steering = steering
  }

  async send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(`${this.edge}${path}`, {
      method,
      headers: {
        ...this.#steering,
        ...(this.cookie === '' ? {} : { cookie: this.cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    })
    const [setCookie] = response.headers.getSetCookie()
    if (setCookie !== undefined) this.cookie = setCookie.split(';', 1)[0] ?? ''
    const text = await response.text()
    const parsed = text === '' ? {} : JSON.parse(text)
    return { status: response.status, headers: response.headers, body: parsed ?? {} }
  }

  async signUp(): Promise<void> {
    const email = `user-${randomBytes(8).toString('hex')}@example.test`
    const body = { name: 'A user', email, password: 'correct horse battery' }
    const reply = await this.send('POST', '/api/auth/sign-up/email', body)
    if (reply.status !== 200) throw new Error(`sign-up answered ${JSON.stringify(reply.body)}`)
  }

  /** Uploads a picture by ticket, and returns the asset. */
  async upload(bytes: Buffer, mimeType = 'image/png'): Promise<AssetView> {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const ticket = await this.send('POST', '/api/assets/uploads', {
      filename: 'picture.png',
      mimeType,
      sizeBytes: bytes.length,
      module: 'background-remove',
      sha256,
    })
    if (ticket.status !== 201) throw new Error(`ticket answered ${JSON.stringify(ticket.body)}`)
    const { uploadId, upload } = ticket.body
    const put = await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: bytes })
    if (!put.ok) throw new Error(`storage answered ${put.status} ${await put.text()}`)
    const done = await this.send('POST', `/api/assets/uploads/${uploadId}/complete`)
    if (done.status !== 201) throw new Error(`complete answered ${JSON.stringify(done.body)}`)
    return done.body
  }

  async submit(assetId: string, headers: Record<string, string> = {}) {
    const body = { toolSlug: 'background-remove', input: { assetId } }
    return this.send('POST', '/api/tasks', body, headers)
  }

  async task(taskId: string): Promise<TaskView> {
    const reply = await this.send('GET', `/api/tasks/${taskId}`)
    return reply.body.task
  }

  /** The frames of the task's stream until it ends; reconnects as an EventSource would. */
  async follow(taskId: string): Promise<{ id: string; type: string }[]> {
    const frames: { id: string; type: string }[] = []
    const parser = createParser({
      onEvent: event => frames.push({ id: event.id ?? '', type: event.event ?? '' }),
    })
    const signal = AbortSignal.timeout(60_000)
    const hasEnded = () => frames.some(({ type }) => terminalTypes.includes(type))
    while (!hasEnded() && !signal.aborted)
      await this.#readStream(taskId, { frames, parser, signal })
    if (!hasEnded()) throw new Error(`no end in the stream: ${JSON.stringify(frames)}`)
    return frames
  }

  async #readStream(taskId: string, { frames, parser, signal }: StreamReading): Promise<void> {
    const lastId = frames.at(-1)?.id
    parser.reset()
    try {
      const response = await fetch(`${this.edge}/api/tasks/${taskId}/stream`, {
        headers: {
          ...this.#steering,
          cookie: this.cookie,
          ...(lastId ? { 'last-event-id': lastId } : {}),
        },
        signal,
      })
      const decoder = new TextDecoder()
      for await (const chunk of response.body ?? []) {
        parser.feed(decoder.decode(chunk, { stream: true }))
      }
    } catch (error) {
      // A connection that a stopping service cuts: the client comes back, as a browser would.
      if (signal.aborted) throw new Error('the stream took too long', { cause: error })
    }
  }

  async balance(): Promise<{ balance: number; reservedBalance: number }> {
    const { body } = await this.send('GET', '/api/credits')
    return { balance: body.balance, reservedBalance: body.reservedBalance }
  }
}

const terminalTypes: readonly string[] = ['completed', 'failed', 'canceled']

interface StreamReading {
  readonly frames: { id: string; type: string }[]
  readonly parser: ReturnType<typeof createParser>
  readonly signal: AbortSignal
}

/** A small picture with a subject on a plain ground. */
export async function makePicture(): Promise<Buffer> {
  const subject = Buffer.from(
    '<svg width="160" height="120"><circle cx="80" cy="60" r="36" fill="#c0392b"/></svg>',
  )
  return sharp({ create: { width: 160, height: 120, channels: 3, background: '#dfe6e9' } })
    .composite([{ input: subject }])
    .png()
    .toBuffer()
}
