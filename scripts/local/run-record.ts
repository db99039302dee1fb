import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findIdentity, isRunning, type ProcessIdentity } from './process-identity.ts'
import { Refusal } from './refusal.ts'

export interface RecordedChild extends ProcessIdentity {
  readonly name: string
}

interface Content {
  /** Tells two that take the record at the same time apart. */
  readonly token: string
  readonly supervisor: ProcessIdentity
  readonly children: readonly RecordedChild[]
}

/** Another process runs the local system of this clone. */
export class AlreadyRunning extends Error {
  readonly pid: number

  constructor(pid: number) {
    super(`The local system already runs in process ${pid}`)
    this.name = 'AlreadyRunning'
    this.pid = pid
  }
}

const fileName = 'run.json'
const triesMax = 20
const pauseMs = 100

/**
 * Who runs the local system of this clone, and with which processes: lock and memory in one file.
 * Whoever takes over from a holder that was killed finds the processes that it left.
 */
export class RunRecord {
  readonly #file: string
  readonly #holder: Omit<Content, 'children'>
  #children: readonly RecordedChild[]
  #writing: Promise<void> = Promise.resolve()

  private constructor(file: string, { children, ...holder }: Content) {
    this.#file = file
    this.#holder = holder
    this.#children = children
  }

  /** Throws AlreadyRunning while the holder lives. */
  static async take(localFolder: string): Promise<RunRecord> {
    await mkdir(localFolder, { recursive: true })
    const file = join(localFolder, fileName)
    const supervisor = await findIdentity(process.pid)
    if (supervisor === undefined) throw new Error('This process cannot find itself')
    const mine = { token: randomUUID(), supervisor, children: [] }
    for (let tries = 0; tries < triesMax; tries++) {
      if (await create(file, mine)) return new RunRecord(file, mine)
      const found = await read(file)
      if (found === undefined) continue
      if (await isRunning(found.supervisor)) throw new AlreadyRunning(found.supervisor.pid)
      const inherited = { ...mine, children: found.children }
      if (await replace(file, { dead: found, by: inherited })) return new RunRecord(file, inherited)
      await sleep(pauseMs)
    }
    throw new Refusal(`${file} could not be taken: too many starts at once. Try again.`)
  }

  /** Processes that are, or were, part of the system. */
  get children(): readonly RecordedChild[] {
    return this.#children
  }

  async add(name: string, pid: number): Promise<void> {
    const identity = await findIdentity(pid)
    if (identity === undefined) return
    this.#children = [...this.#children, { name, ...identity }]
    await this.#write()
  }

  async remove(pid: number): Promise<void> {
    this.#children = this.#children.filter(child => child.pid !== pid)
    await this.#write()
  }

  async release(): Promise<void> {
    await this.#writing
    await rm(this.#file, { force: true })
  }

  #write(): Promise<void> {
    const content = { ...this.#holder, children: this.#children }
    // One after the other, so that the last one written is the newest.
    this.#writing = this.#writing.then(() => overwrite(this.#file, content))
    return this.#writing
  }
}

/** The living holder of the record, if there is one. */
export async function findRunning(localFolder: string): Promise<ProcessIdentity | undefined> {
  const found = await read(join(localFolder, fileName))
  if (found === undefined || !(await isRunning(found.supervisor))) return undefined
  return found.supervisor
}

/** A link exists only once, whoever else tries at the same time. */
async function create(file: string, content: Content): Promise<boolean> {
  const draft = draftOf(file)
  await writeFile(draft, JSON.stringify(content), { mode: 0o600 })
  try {
    await link(draft, file)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await unlink(draft)
  }
}

/** Of several that find the same dead holder, only the one whose content stays has it. */
async function replace(
  file: string,
  { dead, by }: { readonly dead: Content; readonly by: Content },
): Promise<boolean> {
  const current = await read(file)
  if (JSON.stringify(current) !== JSON.stringify(dead)) return false
  await overwrite(file, by)
  await sleep(pauseMs)
  return JSON.stringify(await read(file)) === JSON.stringify(by)
}

async function overwrite(file: string, content: Content): Promise<void> {
  const draft = draftOf(file)
  await writeFile(draft, JSON.stringify(content), { mode: 0o600 })
  await rename(draft, file)
}

async function read(file: string): Promise<Content | undefined> {
  try {
    // Written above, and renamed into place whole.
    return JSON.parse(await readFile(file, 'utf8')) as Content
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new Refusal(`${file} cannot be read. If nothing of this clone runs, delete it.`, {
      cause: error,
    })
  }
}

function draftOf(file: string): string {
  return `${file}.${randomUUID()}`
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
