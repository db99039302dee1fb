import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Account, AccountName } from './secrets.ts'

/** What runs where. */
export interface Addresses {
  readonly edge: string
  readonly cdn: string
  readonly privateCdn: string
  readonly web: string
  readonly services: Readonly<Record<string, string>>
  readonly providers: string
  /** The stand-in for Stripe, whose pages take no money. */
  readonly stripe: string
  readonly postgres: string
  readonly redisQueue: string
  readonly redisCache: string
  readonly s3: {
    readonly endpoint: string
    readonly accessKeyId: string
    readonly secretAccessKey: string
  }
  readonly accounts: Readonly<Record<AccountName, Account>>
}

/** The content of .local/stack.json, which is there as long as the system runs. */
export interface StackFile extends Addresses {
  /** By the name of the process; it changes when one is started again. */
  readonly pids: Readonly<Record<string, number>>
}

export async function writeStackFile(localFolder: string, stack: StackFile): Promise<void> {
  const file = fileIn(localFolder)
  const draft = `${file}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(stack, undefined, 2)}\n`, { mode: 0o600 })
  await rename(draft, file)
}

export async function removeStackFile(localFolder: string): Promise<void> {
  await rm(fileIn(localFolder), { force: true })
}

/** Undefined when nothing has been started, or it was ended. */
export async function findStackFile(localFolder: string): Promise<StackFile | undefined> {
  try {
    // Written above, and renamed into place whole.
    return JSON.parse(await readFile(fileIn(localFolder), 'utf8')) as StackFile
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function fileIn(localFolder: string): string {
  return join(localFolder, 'stack.json')
}
