import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Browser, listOf, recordOf, textOf } from './browser.ts'
import { fetchBytes } from './fetched-bytes.ts'
import type { History, Order, UserRecord } from './history.ts'
import { Purchases } from './purchases.ts'
import type { Random } from './random.ts'

export interface VisitorOptions {
  readonly edge: string
  readonly stripe: string
  readonly history: History
  readonly random: Random
  readonly pictures: readonly Buffer[]
  readonly signal: AbortSignal
}

interface Wanted {
  readonly toolSlug: string
  readonly cost: number
  readonly stepId?: string
  readonly parentTaskId?: string
  readonly input: object
}

const password = 'correct horse battery'
const pagesMax = 20
const putTriesMax = 40
const putTimeoutMs = 10_000
const putPauseMs = 500
const hasteMs = 60
const thinkMs = { least: 200, most: 1_000 }
// Words that make a simulated provider fail, see libs/simulators; only such failures as are the
// order's own fault: the others come for a while, with the schedule.
const prompts = [
  'a red vase on a table',
  'a lighthouse in fog',
  'a fox asleep',
  'a bridge at night',
  'a garden after rain',
  'a mask, simulate:fail',
  'a coin, simulate:moderated',
] as const

const noRecord = { id: '', email: '', bonus: 0, bought: 0, reversed: 0, adjusted: 0, taken: 0 }

/** A user who does whatever users do, and does not give up when something does not answer. */
export class Visitor {
  readonly #options: VisitorOptions
  readonly #browser: Browser
  readonly #purchases: Purchases
  readonly #assetIds: string[] = []
  readonly #orders: Order[] = []
  #record: UserRecord = noRecord
  #ordersMade = 0

  constructor(options: VisitorOptions) {
    this.#options = options
    const { edge, history, signal } = options
    this.#browser = new Browser(edge, history, signal)
    const find = (finding: string) => this.#find(finding)
    this.#purchases = new Purchases({ ...options, browser: this.#browser, find })
  }

  /** Signs up, uploads, buys, and then does one thing after the other until the time is over. */
  async live(until: () => boolean): Promise<void> {
    const { random, signal } = this.#options
    await this.#signUp()
    await this.#upload()
    // Bounded by the time of the run.
    while (!until()) {
      await this.#doSomething()
      await pause(random.between(thinkMs.least, thinkMs.most), undefined, { signal })
    }
  }

  /** Has all own assets listed, with the addresses where they can be fetched. */
  async collectAddresses(): Promise<void> {
    let cursor: string | undefined
    for (let pages = 0; pages < pagesMax; pages++) {
      const page = await this.#read(
        `/api/assets?limit=100${cursor === undefined ? '' : `&cursor=${cursor}`}`,
      )
      for (const item of listOf(page['items'])) {
        const { id, url } = recordOf(item)
        this.#options.history.addresses.set(String(id), String(url))
      }
      cursor = textOf(page['nextCursor'])
      if (cursor === undefined) return
    }
  }

  #doSomething(): Promise<void> {
    const { random } = this.#options
    const deeds: [number, () => Promise<void>][] = [
      [5, () => this.#orderOne()],
      [2, () => this.#orderChain()],
      [2, () => this.#orderTwice()],
      [2, () => this.#orderInHaste()],
      [2, () => this.#orderWithQuote()],
      [2, () => this.#cancel()],
      [2, () => this.#publish()],
      [1, () => this.#delete()],
      [1, () => this.#upload()],
      [2, () => this.#purchases.buy(this.#record, this.#newKey())],
      [2, () => this.#fetchOne()],
      [3, () => this.#look()],
    ]
    const weights = deeds.reduce((sum, [weight]) => sum + weight, 0)
    let drawn = random.between(1, weights)
    for (const [weight, deed] of deeds) {
      drawn -= weight
      if (drawn <= 0) return deed()
    }
    return this.#look()
  }

  async #signUp(): Promise<void> {
    const { random, history } = this.#options
    const email = `chaos-${random.between(0, 1e9)}-${history.users.length}@funmagic.test`
    const request = { method: 'POST', body: { name: 'A visitor', email, password } }
    let reply = await this.#browser.sendUntilKnown({ ...request, path: '/api/auth/sign-up/email' })
    if (reply.status !== 200) {
      // An earlier try got through, and its answer did not.
      const body = { email, password }
      const path = '/api/auth/sign-in/email'
      reply = await this.#browser.sendUntilKnown({ method: 'POST', path, body })
    }
    const id = textOf(recordOf(reply.body['user'])['id'])
    if (id === undefined) throw new Error(`sign-up answered ${reply.status} ${reply.code}`)
    this.#record = { ...noRecord, id, email, bonus: 100 }
    history.users.push(this.#record)
  }

  async #upload(): Promise<void> {
    const { random, history, pictures } = this.#options
    const [first, ...rest] = pictures
    if (first === undefined) throw new Error('there is no picture')
    const bytes = random.pick([first, ...rest])
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const facts = { filename: 'vase.png', mimeType: 'image/png', sizeBytes: bytes.length, sha256 }
    const ticket = await this.#browser.sendUntilKnown({
      method: 'POST',
      path: '/api/assets/uploads',
      body: { ...facts, module: 'background-remove' },
      key: this.#newKey(),
    })
    if (ticket.status !== 201) return this.#refused('an upload', ticket.status, ticket.code)
    const { url, headers } = recordOf(ticket.body['upload'])
    await this.#put(String(url), recordOf(headers), bytes)
    const path = `/api/assets/uploads/${String(ticket.body['uploadId'])}/complete`
    const done = await this.#browser.sendUntilKnown({ method: 'POST', path })
    const assetId = textOf(done.body['id'])
    if (assetId === undefined) return this.#refused('its completion', done.status, done.code)
    this.#assetIds.push(assetId)
    history.uploads.set(assetId, { userId: this.#record.id, sha256 })
  }

  /** Straight to the store, again and again: the ticket takes the same bytes more than once. */
  async #put(url: string, headers: Record<string, unknown>, bytes: Buffer): Promise<void> {
    const { signal } = this.#options
    const own = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, String(v)]))
    for (let tries = 0; tries < putTriesMax; tries++) {
      try {
        const timeout = AbortSignal.any([signal, AbortSignal.timeout(putTimeoutMs)])
        const body = Uint8Array.from(bytes)
        const stored = await fetch(url, { method: 'PUT', headers: own, body, signal: timeout })
        await stored.body?.cancel()
        if (stored.ok) return
      } catch (error) {
        signal.throwIfAborted()
        // The link to the store is broken; it will not stay so.
        if (!(error instanceof Error)) throw error
      }
      await pause(putPauseMs, undefined, { signal })
    }
  }

  async #orderOne(): Promise<void> {
    await this.#order(this.#newKey(), this.#someTool())
  }

  /** The second step is ordered at once, while the first may not even have started. */
  async #orderChain(): Promise<void> {
    const input = { prompt: this.#options.random.pick(prompts) }
    const first = { toolSlug: 'figme', stepId: 'image-gen', cost: 20, input }
    const parentTaskId = await this.#order(this.#newKey(), first)
    if (parentTaskId === undefined) return
    const second = { toolSlug: 'figme', stepId: '3d-gen', parentTaskId, cost: 30, input: {} }
    await this.#order(this.#newKey(), second)
  }

  /** A double click: the same key twice at once. */
  async #orderTwice(): Promise<void> {
    const key = this.#newKey()
    const wanted = this.#someTool()
    const [order] = await Promise.all([this.#order(key, wanted), this.#order(key, wanted)])
    if (order !== undefined) await this.#order(key, wanted)
  }

  /** Hangs up in the middle, and asks again under the same key. */
  async #orderInHaste(): Promise<void> {
    const key = this.#newKey()
    const { cost, ...body } = this.#someTool()
    const patienceMs = this.#options.random.between(1, hasteMs)
    this.#orderOf(key, cost)
    await this.#browser.send({ method: 'POST', path: '/api/tasks', body, key, patienceMs })
    await this.#order(key, { cost, ...body })
  }

  /** Whatever an operator does to the price meanwhile, nobody pays more than the quote says. */
  async #orderWithQuote(): Promise<void> {
    const wanted = this.#someTool()
    const { cost, ...body } = wanted
    const path = '/api/quotes'
    const quote = await this.#browser.sendUntilKnown({ method: 'POST', path, body })
    const quoteToken = textOf(quote.body['quoteToken'])
    if (quoteToken === undefined) return this.#refused('a quote', quote.status, quote.code)
    const quoted = Number(quote.body['creditsCost'])
    if (!(quoted <= cost)) this.#find(`a quote of ${body.toolSlug} is ${quoted} and not ${cost}`)
    await this.#order(this.#newKey(), { ...wanted, cost: quoted }, { quoteToken })
  }

  /** The id of the task, when there is one. */
  async #order(key: string, { cost, ...wanted }: Wanted, extra = {}): Promise<string | undefined> {
    const order = this.#orderOf(key, cost)
    const body = { ...wanted, ...extra }
    const request = { method: 'POST', path: '/api/tasks', body, key }
    const reply = await this.#browser.sendUntilKnown(request)
    const task = recordOf(reply.body['task'])
    const taskId = textOf(task['id'])
    if (reply.status === 201 && taskId !== undefined) {
      if (!(Number(task['creditsCost']) <= cost)) this.#find(`${taskId} costs more than ${cost}`)
      order.taskIds.add(taskId)
      return taskId
    }
    order.refusal = reply.code ?? String(reply.status)
    this.#refused('a task', reply.status, reply.code)
    return undefined
  }

  #orderOf(key: string, cost: number): Order {
    const known = this.#orders.find(order => order.key === key)
    if (known !== undefined) return known
    const base = { key, userId: this.#record.id, cost, taskIds: new Set<string>() }
    const order: Order = { ...base, refusal: undefined, isCanceled: false }
    this.#orders.push(order)
    this.#options.history.orders.push(order)
    return order
  }

  #someTool(): Wanted {
    const { random } = this.#options
    const prompt = random.pick(prompts)
    // Of the newest; it is the oldest that is deleted.
    const assetId = this.#assetIds.at(
      -1 - (random.between(0, 3) % Math.max(1, this.#assetIds.length)),
    )
    const sketch: Wanted = { toolSlug: 'quick-sketch', cost: 10, input: { prompt } }
    if (assetId === undefined) return sketch
    return random.pick<Wanted>([
      { toolSlug: 'background-remove', cost: 5, input: { assetId } },
      { toolSlug: 'background-remove', cost: 5, input: { assetId } },
      { toolSlug: 'crystal-memory', cost: 15, input: { assetId } },
      { toolSlug: 'photo-edit', cost: 20, input: { assetId, prompt } },
      sketch,
    ])
  }

  async #cancel(): Promise<void> {
    const order = this.#orders.at(-this.#options.random.between(1, 3))
    const [taskId] = order?.taskIds ?? []
    if (order === undefined || taskId === undefined) return
    const path = `/api/tasks/${taskId}/cancel`
    const reply = await this.#browser.sendUntilKnown({ method: 'POST', path })
    if (reply.status === 200) order.isCanceled = true
    else this.#refused('a cancellation', reply.status, reply.code)
  }

  async #publish(): Promise<void> {
    const assetId = this.#someAsset()
    if (assetId === undefined) return
    const verb = this.#options.random.pick(['publish', 'publish', 'unpublish'])
    const path = `/api/assets/${assetId}/${verb}`
    const reply = await this.#browser.sendUntilKnown({ method: 'POST', path })
    if (reply.status !== 200) this.#refused(verb, reply.status, reply.code)
  }

  async #delete(): Promise<void> {
    if (this.#assetIds.length < 2) return
    const assetId = this.#assetIds.shift()
    if (assetId === undefined) return
    this.#options.history.deleted.add(assetId)
    const path = `/api/assets/${assetId}`
    await this.#browser.sendUntilKnown({ method: 'DELETE', path })
  }

  /** S1, S3: an address that was just given works; one without an end is judged again later. */
  async #fetchOne(): Promise<void> {
    const { history, signal } = this.#options
    const assetId = this.#someAsset()
    if (assetId === undefined) return
    const { body } = await this.#browser.send({ method: 'GET', path: `/api/assets/${assetId}` })
    const { url, urlExpiresAt, visibility, sha256 } = body
    if (typeof url !== 'string') return
    if (urlExpiresAt === null) history.publicAddresses.set(url, assetId)
    const fetched = await fetchBytes(url, signal)
    if (fetched.status === 200 && fetched.sha256 !== sha256) this.#find(`${assetId}: other bytes`)
    // Only its owner changes it, who waits here; an origin that is away is a 5xx.
    if (fetched.status >= 400 && fetched.status < 500) {
      this.#find(`${String(visibility)} asset ${assetId} answered ${fetched.status} at its address`)
    }
  }

  async #look(): Promise<void> {
    const { random } = this.#options
    const path = random.pick([
      '/api/tasks',
      '/api/assets',
      '/api/credits',
      '/api/credits/transactions',
      '/api/auth/get-session',
      '/api/tools',
    ])
    const reply = await this.#browser.send({ method: 'GET', path })
    if (path === '/api/auth/get-session' && reply.status === 200 && reply.body['user'] === null) {
      this.#find('a session was lost')
    }
  }

  #someAsset(): string | undefined {
    return this.#assetIds[this.#options.random.between(0, Math.max(0, this.#assetIds.length - 1))]
  }

  async #read(path: string): Promise<Record<string, unknown>> {
    return (await this.#browser.sendUntilKnown({ method: 'GET', path })).body
  }

  #newKey(): string {
    return `${this.#record.id}-${this.#ordersMade++}`
  }

  /** A refusal is an answer, and some are as they should be. */
  #refused(what: string, status: number, code: string | undefined): void {
    if (code !== undefined && rightRefusals.has(code)) return
    this.#find(`${what} was refused with ${status} ${code ?? ''}`)
  }

  #find(finding: string): void {
    this.#options.history.findings.push(`${this.#record.email}: ${finding}`)
  }
}

const rightRefusals: ReadonlySet<string> = new Set([
  'INSUFFICIENT_CREDITS',
  'TASK_FINISHED',
  'TOOL_INACTIVE',
  // The parent has failed or was canceled meanwhile, or the picture deleted.
  'STEP_ORDER',
  'INVALID_INPUT',
  'NOT_FOUND',
  // The same key at the same time, or a picture that is being moved.
  'ASSET_BUSY',
])
