import { openDatabase } from '@funmagic/database/client'
import type { Trip } from '@funmagic/database/trip'
import type { CdnInvalidation } from '../src/cdn-invalidation.ts'
import type { MoveDeps } from '../src/moves.ts'
import type { ObjectStore } from '../src/object-store.ts'

// A process that can be made to die at any of its steps: a trip to Postgres, which may begin a
// transaction, the end of one, a call of the store or of the CDN; before the step has an effect, or
// after it and before the answer is known. What is dead does nothing more. An open transaction goes
// back.

export interface Death {
  /** Counted from 0. */
  readonly step: number
  readonly moment: 'before' | 'after'
}

export class Crash extends Error {}

export interface Mortal {
  readonly deps: MoveDeps & { readonly cdn: CdnInvalidation }
  /** The steps since it was last started. */
  readonly steps: string[]
  /** Starts it anew, to die there or not at all. */
  start(death?: Death): void
  close(): Promise<void>
}

/** `die` is called at the step; unless it ends the process it must throw. */
export function openMortal(
  parts: { url: string; store: ObjectStore; cdn: CdnInvalidation },
  die: () => never | Promise<never> = crash,
): Mortal {
  const steps: string[] = []
  let planned: Death | undefined
  let isDead = false
  const step = async <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
    if (isDead) throw new Crash()
    const isLast = steps.push(name) - 1 === planned?.step
    if (isLast) isDead = true
    if (isLast && planned?.moment === 'before') return die()
    const result = await work()
    if (isLast) return die()
    if (isDead) throw new Crash()
    return result
  }
  const database = openMortalDatabase(parts.url, step)
  const deps = { database, store: watch(parts.store, step), cdn: watch(parts.cdn, step) }
  return {
    deps,
    steps,
    start: death => {
      steps.length = 0
      planned = death
      isDead = false
    },
    close: () => database[Symbol.asyncDispose](),
  }
}

type Step = <Result>(name: string, work: () => Promise<Result>) => Promise<Result>

function crash(): never {
  throw new Crash()
}

function openMortalDatabase(url: string, step: Step) {
  const database = openDatabase({ url, poolMax: 4, applicationName: 'mortal' })
  const query = database.query.bind(database)
  const connect = database.pool.connect.bind(database.pool)
  Object.assign(database, {
    query: (statement: Parameters<typeof query>[0]) =>
      step(nameOf(statement.text), () => query(statement)),
  })
  Object.assign(database.pool, {
    // The pool itself connects with a callback, for statements that are counted already.
    connect: (callback?: Parameters<typeof connect>[0]) =>
      callback === undefined
        ? connect().then(client => watchClient(client, step))
        : connect(callback),
  })
  return database
}

/** Of the client that a transaction of libs/database works with. */
interface Client {
  query(statement: Trip): Trip
  query(text: 'ROLLBACK'): Promise<unknown>
}

function watchClient<Watched extends Client>(client: Watched, step: Step): Watched {
  const query = client.query.bind(client)
  const watched = (statement: Trip | 'ROLLBACK') => {
    // The server rolls back what a dead process leaves open.
    if (statement === 'ROLLBACK') return query(statement)
    const names = statement.statements.map(({ text }) => nameOf(text))
    const send = () => query(statement).ended
    step(names.join('; '), send).catch((error: unknown) => statement.refuse(error))
    return statement
  }
  return new Proxy(client, {
    get: (target, name) => {
      if (name === 'query') return watched
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** Every call that is answered by a promise is a step. */
function watch<Part extends object>(part: Part, step: Step): Part {
  return new Proxy(part, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function' || name === 'close') return member
      return (...args: unknown[]) => step(String(name), async () => member.apply(target, args))
    },
  })
}

function nameOf(text: string): string {
  return text.trim().split(/\s+/).slice(0, 3).join(' ')
}
