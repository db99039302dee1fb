import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Refusal } from './refusal.ts'

const run = promisify(execFile)
const updateTimeoutMs = 120_000
const downloadTimeoutMs = 120_000
const unpackTimeoutMs = 30_000
const outputBytesMax = 4 * 1024 ** 2

/**
 * Fetches the distribution's own redis-server and the libraries it lacks here, with apt's checks
 * of signatures, and unpacks them. apt works on lists and caches of its own in a temporary
 * folder, so an ordinary user can do it and nothing of the system changes. Answers the folder.
 */
export async function downloadRedis(
  caches: readonly string[],
  onDownload: (text: string) => void,
): Promise<string> {
  onDownload('Fetching Redis from the packages of this system (not installed, only unpacked) …')
  const work = await mkdtemp(join(tmpdir(), 'funmagic-redis-'))
  try {
    const packages = await fetchPackages(work)
    const root = join(work, 'unpacked/root')
    await mkdir(root, { recursive: true })
    for (const file of packages) {
      await run('dpkg-deb', ['--extract', file, root], { timeout: unpackTimeoutMs })
    }
    await writeFile(join(work, 'unpacked/complete'), '')
    return await moveIntoCache(join(work, 'unpacked'), caches)
  } catch (error) {
    throw new Refusal(explain(error), { cause: error })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function fetchPackages(work: string): Promise<string[]> {
  await mkdir(join(work, 'state/lists/partial'), { recursive: true })
  await mkdir(join(work, 'cache/archives/partial'), { recursive: true })
  const options = [
    `Dir::State=${work}/state`,
    `Dir::State::lists=${work}/state/lists`,
    // What is installed is read from the system: only what is missing is fetched.
    'Dir::State::status=/var/lib/dpkg/status',
    `Dir::Cache=${work}/cache`,
    'Debug::NoLocking=true',
    // As root apt would otherwise change to a user that cannot write here.
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
  ].flatMap(option => ['-o', option])
  await apt([...options, 'update', '-qq'], updateTimeoutMs)
  await apt(
    [
      ...options,
      'install',
      '-y',
      '-qq',
      '--no-install-recommends',
      '--download-only',
      'redis-server',
    ],
    downloadTimeoutMs,
  )
  const archives = join(work, 'cache/archives')
  const names = await readdir(archives)
  return names.filter(name => name.endsWith('.deb')).map(name => join(archives, name))
}

async function apt(parameters: string[], timeout: number): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  await run('apt-get', parameters, { timeout, env, maxBuffer: outputBytesMax })
}

/** The first cache that can be written; a rename makes it appear whole. */
async function moveIntoCache(unpacked: string, caches: readonly string[]): Promise<string> {
  let failure: unknown
  for (const cache of caches) {
    const target = join(cache, 'redis')
    const draft = `${target}.${process.pid}`
    try {
      await mkdir(dirname(target), { recursive: true })
      await cp(unpacked, draft, { recursive: true, verbatimSymlinks: true })
      await rm(target, { recursive: true, force: true })
      await rename(draft, target)
      return target
    } catch (error) {
      // A home that cannot be written: the next cache is tried, the last failure is thrown.
      failure = error
    }
  }
  throw new Error('Redis could not be kept in any cache', { cause: failure })
}

function explain(error: unknown): string {
  const stderr: unknown = error instanceof Error ? Reflect.get(error, 'stderr') : undefined
  const detail = typeof stderr === 'string' && stderr !== '' ? stderr.trim() : String(error)
  return [
    'Redis is needed, and fetching the package redis-server failed:',
    detail,
    'Install it (sudo apt-get install redis-server), or name a server in REDIS_QUEUE_URL and',
    'REDIS_CACHE_URL, then run the command again.',
  ].join('\n')
}
