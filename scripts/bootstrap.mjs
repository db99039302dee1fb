// The way in: `node scripts/bootstrap.mjs <command>` runs right after `git clone`, on any Node from
// version 20. It brings what the project needs (its own Node 24, pnpm, the dependencies, the Prisma
// client), each only when it is missing or out of date, and hands over to `scripts/<command>.ts`.
// It is JavaScript because Node 20 cannot run TypeScript, and it uses nothing outside Node.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const commands =
  'start demo test reset migrate generate format routes doctor bench chaos ledger-verify'.split(' ')
const nodeMajorMin = 20
const pnpmVersion = '12.21.0'
const lockWaitMs = 15 * 60_000
const lockPollMs = 500
const parentPollMs = 500
const outputTailChars = 16_000
// The shell's convention: 128 and the number of the signal that ended the process.
const signalExitBase = 128

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const localFolder = join(root, '.local')
const lockFile = join(localFolder, 'bootstrap.lock')
const projectNode = join(root, 'node_modules/node/bin/node')
const databaseFolder = join(root, 'libs/database')
const prismaClient = join(databaseFolder, 'src/generated/client.ts')
const installStamp = join(root, 'node_modules/.funmagic-installed')
const prismaStamp = join(root, 'node_modules/.funmagic-prisma')

/** A failure that the person at the keyboard can act on; shown without a stack. */
class Refusal extends Error {}

async function main([command, ...rest]) {
  requireNode()
  if (!commands.includes(command)) {
    const asked = command === undefined ? 'No command given.' : `Unknown command: ${command}`
    throw new Refusal(`${asked}\nKnown commands: ${commands.join(', ')}`)
  }
  const script = join(root, 'scripts', `${command}.ts`)
  if (!fs.existsSync(script)) throw new Refusal(`There is no scripts/${command}.ts.`)
  await prepare()
  return runScript(script, rest)
}

function requireNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= nodeMajorMin) return
  throw new Refusal(
    `This needs Node.js ${nodeMajorMin} or newer to begin; here runs ${process.versions.node}.\n` +
      'Install one from https://nodejs.org or your package manager, then run the command again.',
  )
}

/** Brings dependencies and the Prisma client up to date; one process at a time. */
async function prepare() {
  if (isInstalled() && isPrismaCurrent()) return
  makeLocalFolder()
  await takeLock()
  process.once('exit', releaseLock)
  try {
    // Another process may have done the work while this one waited.
    if (!isInstalled()) await install()
    if (!isPrismaCurrent()) await generatePrismaClient()
  } finally {
    releaseLock()
  }
}

function isInstalled() {
  return fs.existsSync(projectNode) && readStamp(installStamp) === installFingerprint()
}

function installFingerprint() {
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json']
  return fingerprint(files.map(file => join(root, file)).concat(packageFiles()))
}

function packageFiles() {
  return ['libs', 'services'].flatMap(folder =>
    fs
      .readdirSync(join(root, folder))
      .map(name => join(root, folder, name, 'package.json'))
      .filter(file => fs.existsSync(file)),
  )
}

function isPrismaCurrent() {
  return fs.existsSync(prismaClient) && readStamp(prismaStamp) === prismaFingerprint()
}

function prismaFingerprint() {
  const folder = join(databaseFolder, 'prisma/schema')
  const schemas = fs.readdirSync(folder).filter(name => name.endsWith('.prisma'))
  return fingerprint([
    join(databaseFolder, 'prisma.config.ts'),
    join(root, 'pnpm-lock.yaml'),
    ...schemas.sort().map(name => join(folder, name)),
  ])
}

function fingerprint(files) {
  const hash = createHash('sha256')
  hash.update(`${root} ${process.platform} ${process.arch} pnpm ${pnpmVersion}\n`)
  for (const file of files) hash.update(`${file}\n`).update(fs.readFileSync(file)).update('\n')
  return hash.digest('hex')
}

function readStamp(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined
}

function makeLocalFolder() {
  try {
    fs.mkdirSync(localFolder, { recursive: true })
    fs.accessSync(localFolder, fs.constants.W_OK)
    fs.accessSync(root, fs.constants.W_OK)
  } catch (error) {
    throw new Refusal(
      `The project folder ${root} cannot be written by this user (${error.code}).\n` +
        'Run the command as the owner of the folder, or clone the project again as this user.',
    )
  }
}

/**
 * A file that names its holder. A holder that has died is replaced: the new one renames its own
 * file over the old, then looks again after a pause, so that of two who replace at once one wins.
 */
async function takeLock() {
  const deadline = Date.now() + lockWaitMs
  const mine = `${process.pid} ${Math.random().toString(36).slice(2)}`
  let isTold = false
  while (Date.now() < deadline) {
    const holder = readLock()
    if (holder === undefined ? createLock(mine) : await replaceDeadLock(holder, mine)) return
    if (!isTold && holder !== undefined) {
      console.log(`Waiting for the installation that process ${pidOf(holder)} is doing.`)
      isTold = true
    }
    await pause(lockPollMs)
  }
  throw new Refusal(
    `Another process has held ${lockFile} for ${lockWaitMs / 60_000} minutes.\n` +
      'If no installation is running, delete that file and try again.',
  )
}

function createLock(mine) {
  try {
    fs.writeFileSync(lockFile, mine, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

async function replaceDeadLock(holder, mine) {
  if (isAlive(pidOf(holder))) return false
  const draft = `${lockFile}.${process.pid}`
  fs.writeFileSync(draft, mine)
  fs.renameSync(draft, lockFile)
  await pause(lockPollMs)
  return readLock() === mine
}

function readLock() {
  return readStamp(lockFile)
}

function releaseLock() {
  const holder = readLock()
  if (holder !== undefined && pidOf(holder) === process.pid) fs.rmSync(lockFile, { force: true })
}

function pidOf(holder) {
  return Number(holder.split(' ')[0])
}

function isAlive(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: the process is there and belongs to someone else.
    return error.code === 'EPERM'
  }
}

async function install() {
  console.log('Installing dependencies from the npm registry (a minute or two the first time)…')
  const pnpm = ['--yes', `pnpm@${pnpmVersion}`]
  const flags = ['--frozen-lockfile', '--prod=false', '--reporter=append-only']
  const settings = ['--config.confirmModulesPurge=false']
  const env = installEnvironment()
  const result = await run('npx', [...pnpm, 'install', ...flags, ...settings], { env, cwd: root })
  if (result.code !== 0) throw new Refusal(explainInstallFailure(result))
  if (!fs.existsSync(projectNode)) {
    throw new Refusal(
      'The installation finished without the Node.js 24 of the project. Its npm package `node` ' +
        `has no build for ${process.platform}-${process.arch}.`,
    )
  }
  fs.writeFileSync(installStamp, installFingerprint())
}

/**
 * npm hands its own settings to the scripts it runs, and pnpm or a nested npx stumbles over some of
 * them; so only those that say how to reach the registry go on.
 */
function installEnvironment() {
  const network = /registry|proxy|cafile|^npm_config_(ca|cert|key|strict_ssl)$|config$|_auth/i
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^npm_/i.test(name) || (/^npm_config_/i.test(name) && network.test(name)),
  )
  const env = Object.fromEntries(entries)
  delete env.NODE_ENV
  delete env.NODE_OPTIONS
  const registry = env.npm_config_registry || env.NPM_CONFIG_REGISTRY
  if (registry && !env.pnpm_config_registry) env.pnpm_config_registry = registry
  return isHomeWritable() ? env : { ...env, ...homeInside() }
}

function isHomeWritable() {
  const home = process.env.HOME
  if (!home) return false
  try {
    fs.accessSync(home, fs.constants.W_OK)
    return true
  } catch {
    // The case of a container user without a home: the caches then live in the project.
    return false
  }
}

function homeInside() {
  console.log(`The home folder cannot be written, so the caches go into ${localFolder}.`)
  return {
    npm_config_cache: join(localFolder, 'npm'),
    npm_config_logs_max: '0',
    XDG_CACHE_HOME: join(localFolder, 'cache'),
    XDG_DATA_HOME: join(localFolder, 'data'),
    XDG_STATE_HOME: join(localFolder, 'state'),
  }
}

const installFailures = [
  {
    sign: /ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|FETCH|ERR_SOCKET/,
    advice:
      'The npm registry could not be reached. Check the connection, the proxy (HTTPS_PROXY) and ' +
      'the registry (`npm config get registry`), then run the command again: it goes on from here.',
  },
  {
    sign: /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/,
    advice:
      'The certificate of the npm registry is not trusted here. Behind a proxy that opens TLS, ' +
      'set NODE_EXTRA_CA_CERTS to the file with its certificate.',
  },
  { sign: /ENOSPC/, advice: 'The disk is full. About 1.5 GB are needed.' },
  {
    sign: /EACCES|EPERM|EROFS/,
    advice:
      'A file could not be written. If node_modules or ~/.npm belongs to another user (after a ' +
      'run with sudo), give it back with chown or delete it.',
  },
  {
    sign: /OUTDATED_LOCKFILE|LOCKFILE_CONFIG_MISMATCH/,
    advice:
      'A package.json asks for something that pnpm-lock.yaml does not have. Whoever changed it ' +
      `runs \`npx pnpm@${pnpmVersion} install\` and commits the lockfile.`,
  },
]

function explainInstallFailure({ code, tail }) {
  if (code > signalExitBase) return 'The installation was interrupted. Run the command again.'
  const known = installFailures.find(({ sign }) => sign.test(tail))
  const advice = known ? known.advice : 'The lines above say why.'
  return `Dependencies could not be installed (exit code ${code}).\n${advice}`
}

async function generatePrismaClient() {
  console.log('Generating the Prisma client…')
  const prisma = join(databaseFolder, 'node_modules/prisma/build/index.js')
  // `generate` needs no schema engine, but Prisma would download one: any executable satisfies it.
  const env = { ...scriptEnvironment(), PRISMA_SCHEMA_ENGINE_BINARY: projectNode }
  env.CHECKPOINT_DISABLE = '1'
  env.PRISMA_HIDE_UPDATE_MESSAGE = '1'
  const quiet = { env, cwd: databaseFolder, isQuiet: true }
  const { code, tail } = await run(projectNode, [prisma, 'generate'], quiet)
  if (code !== 0) throw new Refusal(`${tail}\nThe Prisma client could not be generated.`)
  fs.writeFileSync(prismaStamp, prismaFingerprint())
}

/** Runs a program, passes its output on unless quiet, and keeps the end of it for the diagnosis. */
function run(program, parameters, { env, cwd, isQuiet = false }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let tail = ''
    const keep = (chunk, sink) => {
      tail = (tail + chunk).slice(-outputTailChars)
      if (!isQuiet) sink.write(chunk)
    }
    child.stdout.setEncoding('utf8').on('data', chunk => keep(chunk, process.stdout))
    child.stderr
      .setEncoding('utf8')
      .on('data', chunk => keep(withoutNpmNoise(chunk), process.stderr))
    const stopForwarding = forwardSignals(child)
    child.once('error', error => {
      const reason = `${program} could not be started: ${error.message}`
      reject(new Refusal(error.code === 'ENOENT' ? `${reason}\nIs npm installed?` : reason))
    })
    child.once('close', (code, signal) => {
      stopForwarding()
      resolve({ code: exitCodeOf(code, signal), tail })
    })
  })
}

function withoutNpmNoise(chunk) {
  return chunk.replace(/^npm warn Unknown .* config .*\n/gm, '')
}

function runScript(script, parameters) {
  return new Promise((resolve, reject) => {
    const child = spawn(projectNode, [script, ...parameters], {
      env: scriptEnvironment(),
      stdio: 'inherit',
    })
    forwardSignals(child)
    followParent(child)
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(exitCodeOf(code, signal)))
  })
}

/** The tools of the project come first on the path, its Node 24 among them. */
function scriptEnvironment() {
  const path = [join(root, 'node_modules/.bin'), process.env.PATH].filter(Boolean).join(delimiter)
  return { ...process.env, PATH: path }
}

/**
 * The child ends first and decides the exit code, so this process outlives every signal. A Ctrl-C
 * in a terminal reaches the child by itself; sent on, it would count as a second, impatient one.
 */
function forwardSignals(child) {
  const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP'].map(signal => {
    const isFromTerminal = signal === 'SIGINT' && process.stdin.isTTY === true
    const handler = () => {
      if (!isFromTerminal) child.kill(signal)
    }
    process.on(signal, handler)
    return { signal, handler }
  })
  return () => handlers.forEach(({ signal, handler }) => process.off(signal, handler))
}

/**
 * Told to stop, npm ends the shell between itself and this process, and the shell tells nobody; so
 * that the stack does not go on alone, the end of the shell counts as SIGTERM.
 */
function followParent(child) {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    child.kill('SIGTERM')
  }, parentPollMs)
  timer.unref()
}

function exitCodeOf(code, signal) {
  return code === null ? signalExitBase + constants.signals[signal] : code
}

function pause(durationMs) {
  return new Promise(resolve => setTimeout(resolve, durationMs))
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  process.stderr.write(`\n${error.message}\n`)
  process.exitCode = 1
}
