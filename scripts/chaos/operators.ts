import { setTimeout as pause } from 'node:timers/promises'
import { Browser, listOf, recordOf, textOf, type Reply } from './browser.ts'
import type { History } from './history.ts'
import type { Random } from './random.ts'

interface Account {
  readonly email: string
  readonly password: string
}

export interface OperatorsOptions {
  readonly edge: string
  readonly history: History
  readonly random: Random
  /** Two super admins. */
  readonly accounts: readonly [Account, Account]
  readonly signal: AbortSignal
}

/** Beyond it a second operator has to agree; the lab's credit service is told the same. */
export const aloneCreditsMax = 50

const conflictsMax = 10
const thinkMs = { least: 500, most: 2_000 }
const switchedOffMs = { least: 500, most: 3_000 }
const concurrency = { first: 3, least: 2, most: 5 }
// Short enough that a run sees the end of a call that never ends.
const stepTimeoutSeconds = 20
const sketchCosts = [8, 10] as const
const repeatedCodes = [
  'PROVIDER_REJECTED',
  'PROVIDER_UNAVAILABLE',
  'PROVIDER_BAD_RESPONSE',
] as const
const reason = 'Because it can be done at any time'

/** Two people who give and take, switch off, change and repeat while everything else goes on. */
export class Operators {
  readonly #options: OperatorsOptions
  readonly #first: Browser
  readonly #second: Browser
  #actions = 0

  constructor(options: OperatorsOptions) {
    const { edge, history, signal } = options
    this.#options = options
    this.#first = new Browser(edge, history, signal)
    this.#second = new Browser(edge, history, signal)
  }

  /** Before anybody orders: limits at each provider, and steps that give up within a run. */
  async prepare(): Promise<void> {
    const { accounts } = this.#options
    await signIn(this.#first, accounts[0])
    await signIn(this.#second, accounts[1])
    for (const { id } of await this.#list('/api/admin/providers')) {
      await this.#limit(String(id), concurrency.first)
    }
    for (const { id } of await this.#list('/api/admin/tools')) {
      await this.#changeSteps(String(id), step => ({ ...step, timeoutSeconds: stepTimeoutSeconds }))
    }
  }

  async live(until: () => boolean): Promise<void> {
    const { random, signal } = this.#options
    // Bounded by the time of the run.
    while (!until()) {
      await this.#doSomething()
      this.#options.history.operations++
      await pause(random.between(thinkMs.least, thinkMs.most), undefined, { signal })
    }
  }

  #doSomething(): Promise<void> {
    return this.#options.random.pick([
      () => this.#give(),
      () => this.#giveByTwo(),
      () => this.#switchOff(),
      () => this.#changePrice(),
      () => this.#changeLimit(),
      () => this.#changeKey(),
      () => this.#repeatDeadLetters(),
      () => this.#removeProvider(),
    ])()
  }

  /** Alone, and now and then more is taken than there is: then nothing may happen. */
  async #give(): Promise<void> {
    const { random } = this.#options
    const user = this.#someUser()
    if (user === undefined) return
    const amount = random.pick([1, 1, -1]) * random.between(1, aloneCreditsMax)
    const body = { userId: user.id, amount, reason }
    const path = '/api/admin/credits/adjust'
    const reply = await this.#send({ method: 'POST', path, body, key: this.#newKey() })
    if (reply.status === 200) {
      user.adjusted += amount
      user.taken += Math.max(0, -amount)
    } else if (reply.code !== 'INSUFFICIENT_CREDITS') this.#find('an adjustment', reply)
  }

  /** Who asks may not agree; the second may, and twice at once is as good as once. */
  async #giveByTwo(): Promise<void> {
    const { random } = this.#options
    const user = this.#someUser()
    if (user === undefined) return
    const amount = aloneCreditsMax + random.between(1, 20)
    const body = { userId: user.id, amount, reason }
    const asking = { method: 'POST', path: '/api/admin/credits/adjust', body, key: this.#newKey() }
    const asked = await this.#send(asking)
    const id = textOf(recordOf(asked.body['adjustment'])['id'])
    if (asked.status !== 202 || id === undefined) return this.#find('a large adjustment', asked)
    const path = `/api/admin/credits/adjustments/${id}`
    const approval = { method: 'POST', path: `${path}/approve` }
    const alone = await this.#send(approval)
    if (alone.code !== 'SECOND_PERSON_REQUIRED') this.#find('agreeing with oneself', alone)
    if (random.isChance(0.3)) {
      const rejected = await this.#second.sendUntilKnown({ method: 'POST', path: `${path}/reject` })
      if (rejected.status !== 200) this.#find('a rejection', rejected)
      return
    }
    // Two.
    const replies = await Promise.all([1, 2].map(() => this.#second.sendUntilKnown(approval)))
    for (const reply of replies) if (reply.status !== 200) this.#find('an approval', reply)
    user.adjusted += amount
  }

  /** Nobody can order it for a while; what was ordered goes on. */
  async #switchOff(): Promise<void> {
    const { random, signal } = this.#options
    const id = await this.#some('/api/admin/tools')
    await this.#change(`/api/admin/tools/${id}`, () => ({ isActive: false }))
    const { least, most } = switchedOffMs
    await pause(random.between(least, most), undefined, { signal })
    await this.#change(`/api/admin/tools/${id}`, () => ({ isActive: true }))
  }

  async #changePrice(): Promise<void> {
    const cost = this.#options.random.pick(sketchCosts)
    for (const { id, slug } of await this.#list('/api/admin/tools')) {
      if (slug === 'quick-sketch') await this.#changeSteps(String(id), step => ({ ...step, cost }))
    }
  }

  async #changeLimit(): Promise<void> {
    const { random } = this.#options
    const max = random.between(concurrency.least, concurrency.most)
    await this.#limit(await this.#some('/api/admin/providers'), max)
  }

  async #changeKey(): Promise<void> {
    const id = await this.#some('/api/admin/providers')
    const apiKey = `another-key-${this.#actions++}`
    await this.#change(`/api/admin/providers/${id}`, () => ({ apiKey }))
  }

  async #repeatDeadLetters(): Promise<void> {
    // What failed for want of its picture would do so again.
    const errorCode = this.#options.random.pick(repeatedCodes)
    const body = { filter: { errorCode }, limit: 3, reason }
    const path = '/api/admin/tasks/dead-letters/retry'
    const reply = await this.#send({ method: 'POST', path, body, key: this.#newKey() })
    if (reply.status !== 200) this.#find('a repetition of dead letters', reply)
  }

  /** Tools name it, so it stays. */
  async #removeProvider(): Promise<void> {
    const path = `/api/admin/providers/${await this.#some('/api/admin/providers')}`
    const reply = await this.#send({ method: 'DELETE', path })
    if (reply.code !== 'IN_USE') this.#find('the removal of a provider in use', reply)
  }

  async #limit(id: string, maxConcurrency: number): Promise<void> {
    const { limits } = this.#options.history
    const changed = await this.#change(`/api/admin/providers/${id}`, ({ config, type }) => {
      // Whether or not the answer comes back, it may hold from now on.
      limits.set(String(type), Math.max(limits.get(String(type)) ?? 0, maxConcurrency))
      return { config: { ...recordOf(config), rateLimit: { maxConcurrency } } }
    })
    if (!changed) this.#options.history.findings.push(`the limit of ${id} was not changed`)
  }

  #changeSteps(
    id: string,
    change: (step: Record<string, unknown>) => Record<string, unknown>,
  ): Promise<boolean> {
    return this.#change(`/api/admin/tools/${id}`, view => {
      const config = recordOf(view['config'])
      const steps = listOf(config['steps']).map(step => change(recordOf(step)))
      return { config: { ...config, steps } }
    })
  }

  /** Based on what is there, and again when somebody, or an own try, was faster. */
  async #change(
    path: string,
    changesOf: (view: Record<string, unknown>) => object,
  ): Promise<boolean> {
    for (let tries = 0; tries < conflictsMax; tries++) {
      const { body: view } = await this.#send({ method: 'GET', path })
      const body = { ...changesOf(view), version: view['version'], reason }
      const reply = await this.#send({ method: 'PUT', path, body })
      if (reply.status === 200) return true
      if (reply.code !== 'VERSION_CONFLICT') {
        this.#find(`a change of ${path}`, reply)
        return false
      }
    }
    return false
  }

  async #list(path: string): Promise<Record<string, unknown>[]> {
    const { body } = await this.#send({ method: 'GET', path: `${path}?limit=100` })
    return listOf(body['items']).map(recordOf)
  }

  async #some(path: string): Promise<string> {
    const ids = (await this.#list(path)).map(({ id }) => String(id))
    const [first, ...rest] = ids
    if (first === undefined) throw new Error(`there is nothing in ${path}`)
    return this.#options.random.pick([first, ...rest])
  }

  #someUser() {
    const { history, random } = this.#options
    return history.users[random.between(0, Math.max(0, history.users.length - 1))]
  }

  #send(request: Parameters<Browser['send']>[0]): Promise<Reply> {
    return this.#first.sendUntilKnown(request)
  }

  #newKey(): string {
    return `operators-${this.#actions++}`
  }

  #find(what: string, { status, code }: Reply): void {
    this.#options.history.findings.push(`${what} was answered with ${status} ${code ?? ''}`)
  }
}

async function signIn(browser: Browser, { email, password }: Account): Promise<void> {
  const path = '/api/auth/sign-in/email'
  const body = { email, password }
  const { status, code } = await browser.sendUntilKnown({ method: 'POST', path, body })
  if (status !== 200) throw new Error(`sign-in of ${email} answered ${status} ${code ?? ''}`)
}
