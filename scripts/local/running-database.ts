import { Refusal } from './refusal.ts'
import { findRunning } from './run-record.ts'
import { findStackFile } from './stack-file.ts'

export interface FoundDatabase {
  readonly url: string
  readonly isLocal: boolean
}

/** The database that a script is to work on. Throws a Refusal when there is none. */
export async function findDatabase(
  environment: NodeJS.ProcessEnv,
  localFolder: string,
): Promise<FoundDatabase> {
  const named = environment['DATABASE_URL']
  if (named !== undefined && named !== '') return { url: named, isLocal: false }
  const isRunning = (await findRunning(localFolder)) !== undefined
  const stack = isRunning ? await findStackFile(localFolder) : undefined
  if (stack !== undefined) return { url: stack.postgres, isLocal: true }
  throw new Refusal('Set DATABASE_URL, or start the local system first (npm start).')
}
