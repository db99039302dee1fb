import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The root of the clone. */
export const projectFolder = join(import.meta.dirname, '../..')

export interface Folders {
  /** Everything that `npm start` keeps: data, logs, secrets. `npm run reset` deletes it. */
  readonly local: string
  readonly logs: string
  readonly redisData: string
  readonly objects: string
  /** Shared by all clones of this user: programs that took a download. */
  readonly cache: string
  /** Where root keeps Postgres when others cannot enter the clone. */
  readonly outside: string
}

export function localFolders(environment: NodeJS.ProcessEnv, root = projectFolder): Folders {
  const local = join(root, '.local')
  const home = environment['HOME'] ?? homedir()
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12)
  return {
    local,
    logs: join(local, 'logs'),
    redisData: join(local, 'redis'),
    objects: join(local, 'objects'),
    cache: join(environment['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'funmagic'),
    outside: `/var/lib/funmagic-${hash}`,
  }
}
