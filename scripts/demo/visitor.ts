import { createHash, randomBytes } from 'node:crypto'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import Type, { type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { AssetView, UploadTicket } from '@funmagic/contract/asset'
import { BalanceView } from '@funmagic/contract/credit'
import { terminalEventTypes } from '@funmagic/contract/progress'
import { SubmittedTask, TaskView } from '@funmagic/contract/task'

const requestTimeoutMs = 30_000
const streamTimeoutMs = 120_000
const TaskReply = Type.Object({ task: TaskView })

/** Somebody who uses the platform through its edge; replies are held against the contract. */
export class Visitor {
  readonly email = `demo-${randomBytes(6).toString('hex')}@funmagic.test`
  readonly #edge: string
  #cookie = ''

  constructor(edge: string) {
    this.#edge = edge
  }

  async signUp(): Promise<void> {
    const password = randomBytes(12).toString('base64url')
    const body = { name: 'Demo Visitor', email: this.email, password }
    const response = await this.#send('POST', '/api/auth/sign-up/email', body)
    const [cookie = ''] = response.headers.getSetCookie()
    this.#cookie = cookie.split(';', 1)[0] ?? ''
    await response.body?.cancel()
  }

  balance(): Promise<BalanceView> {
    return this.#read(BalanceView, 'GET', '/api/credits')
  }

  /** Asks for a ticket, sends the bytes straight to the store, and has them checked. */
  async upload(bytes: Buffer, mimeType: string): Promise<{ asset: AssetView; url: string }> {
    const { uploadId, upload } = await this.#read(UploadTicket, 'POST', '/api/assets/uploads', {
      filename: 'vase.jpg',
      mimeType,
      sizeBytes: bytes.length,
      module: 'background-remove',
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })
    const { method, url, headers } = upload
    const stored = await fetch(url, { method, headers, body: Uint8Array.from(bytes) })
    if (!stored.ok) throw new Error(`the store answered ${stored.status}: ${await stored.text()}`)
    const asset = await this.#read(AssetView, 'POST', `/api/assets/uploads/${uploadId}/complete`)
    return { asset, url }
  }

  submit(toolSlug: string, assetId: string): Promise<SubmittedTask> {
    return this.#read(SubmittedTask, 'POST', '/api/tasks', { toolSlug, input: { assetId } })
  }

  async task(taskId: string): Promise<TaskView> {
    const { task } = await this.#read(TaskReply, 'GET', `/api/tasks/${taskId}`)
    return task
  }

  publish(assetId: string): Promise<AssetView> {
    return this.#read(AssetView, 'POST', `/api/assets/${assetId}/publish`)
  }

  asset(assetId: string): Promise<AssetView> {
    return this.#read(AssetView, 'GET', `/api/assets/${assetId}`)
  }

  /** Tells every event of the task's stream until the one that ends it. */
  async follow(streamUrl: string, tell: (event: EventSourceMessage) => void): Promise<void> {
    let hasEnded = false
    const parser = createParser({
      onEvent: event => {
        hasEnded ||= terminalEventTypes.some(type => type === event.event)
        tell(event)
      },
    })
    const response = await fetch(new URL(streamUrl, this.#edge), {
      headers: { cookie: this.#cookie },
      signal: AbortSignal.timeout(streamTimeoutMs),
    })
    if (!response.ok) throw new Error(`the stream answered ${response.status}`)
    const decoder = new TextDecoder()
    const body: AsyncIterable<Uint8Array> | null = response.body
    for await (const chunk of body ?? []) {
      parser.feed(decoder.decode(chunk, { stream: true }))
    }
    if (!hasEnded) throw new Error('the stream closed before the task had ended')
  }

  async #read<Schema extends TSchema>(
    schema: Schema,
    ...request: [method: string, path: string, body?: object]
  ): Promise<Static<Schema>> {
    const response = await this.#send(...request)
    return Value.Parse(schema, await response.json())
  }

  async #send(method: string, path: string, body?: object): Promise<Response> {
    const response = await fetch(new URL(path, this.#edge), {
      method,
      headers: {
        ...(this.#cookie === '' ? {} : { cookie: this.#cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(requestTimeoutMs),
    })
    if (response.ok) return response
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`)
  }
}
