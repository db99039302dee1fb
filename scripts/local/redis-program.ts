import { constants, existsSync } from 'node:fs'
import { access, readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { downloadRedis } from './redis-download.ts'
import { outputOf } from './process-identity.ts'
import { Refusal } from './refusal.ts'

export interface RedisProgram {
  readonly path: string
  /** For a program that was unpacked, not installed: where its libraries are. */
  readonly libraryPath: string | undefined
  readonly version: string
}

interface Options {
  readonly searchPath: string
  /** Where an unpacked Redis is kept, best place first; later clones find it there. */
  readonly caches: readonly string[]
  readonly onDownload: (text: string) => void
}

const names = ['valkey-server', 'redis-server']
// BullMQ asks for 6.2: the queue uses commands that are new in it.
const versionMin = [6, 2] as const

/**
 * A Redis or Valkey server: the one on the PATH, else one unpacked earlier, else on Debian and
 * Ubuntu the distribution's package, unpacked into a cache without installing anything.
 */
export async function findRedisProgram(options: Options): Promise<RedisProgram> {
  const installed = await findInstalled(options.searchPath)
  if (installed !== undefined) return installed
  for (const cache of options.caches) {
    const unpacked = await openUnpacked(join(cache, 'redis'))
    if (unpacked !== undefined) return unpacked
  }
  const hasApt = process.platform === 'linux' && existsSync('/usr/bin/apt-get')
  if (!hasApt) throw new Refusal(howToInstall())
  const folder = await downloadRedis(options.caches, options.onDownload)
  const unpacked = await openUnpacked(folder)
  if (unpacked !== undefined) return unpacked
  throw new Refusal(`The Redis that was unpacked into ${folder} does not run.\n${howToInstall()}`)
}

async function findInstalled(searchPath: string): Promise<RedisProgram | undefined> {
  const folders = [
    ...searchPath.split(delimiter),
    '/usr/bin',
    '/usr/local/bin',
    '/opt/homebrew/bin',
  ]
  for (const name of names) {
    for (const folder of new Set(folders.filter(entry => entry !== ''))) {
      const path = join(folder, name)
      if (!(await isExecutable(path))) continue
      const program = await probe(path, undefined)
      if (program !== undefined) return program
    }
  }
  return undefined
}

async function openUnpacked(folder: string): Promise<RedisProgram | undefined> {
  if (!existsSync(join(folder, 'complete'))) return undefined
  const libraryPath = await libraryFolders(join(folder, 'root'))
  for (const name of names) {
    const path = join(folder, 'root/usr/bin', name)
    if (existsSync(path)) return probe(path, libraryPath)
  }
  return undefined
}

/** usr/lib and lib with the folder of the machine's architecture in them. */
async function libraryFolders(root: string): Promise<string> {
  const found: string[] = []
  for (const parent of [join(root, 'usr/lib'), join(root, 'lib')]) {
    if (!existsSync(parent)) continue
    const entries = await readdir(parent)
    found.push(
      parent,
      ...entries.filter(name => name.includes('-linux-')).map(n => join(parent, n)),
    )
  }
  return found.join(delimiter)
}

/** Undefined when it does not run or is too old. */
async function probe(
  path: string,
  libraryPath: string | undefined,
): Promise<RedisProgram | undefined> {
  const environment = libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath }
  const text = await outputOf(path, ['--version'], environment)
  const version = /v=(\d+\.\d+\.\d+)/.exec(text ?? '')?.[1]
  if (version === undefined) return undefined
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin, minorMin] = versionMin
  const isNewEnough = major > majorMin || (major === majorMin && minor >= minorMin)
  return isNewEnough ? { path, libraryPath, version } : undefined
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

function howToInstall(): string {
  const wanted = `Redis ${versionMin.join('.')} or newer (or Valkey) is needed and was not found.`
  const commands =
    process.platform === 'darwin'
      ? ['brew install valkey']
      : [
          'sudo apt-get install redis-server   (Debian, Ubuntu)',
          'sudo dnf install valkey             (Fedora)',
          'sudo pacman -S valkey               (Arch)',
          'sudo apk add valkey                 (Alpine)',
        ]
  return [
    wanted,
    'Install it, then run the command again:',
    ...commands.map(command => `  ${command}`),
    'Or name a server in REDIS_QUEUE_URL and REDIS_CACHE_URL.',
  ].join('\n')
}
