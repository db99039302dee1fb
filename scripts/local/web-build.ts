import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync } from 'node:fs'
import { mkdtemp, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { projectFolder } from './folders.ts'
import { Refusal } from './refusal.ts'

const sourceFolder = join(projectFolder, 'services/web')
const buildsFolder = join(projectFolder, 'node_modules/.cache/web')
const sources = ['services/web/{src,public}/**/*', 'services/web/*.{html,json,ts}']
const dependencies = ['pnpm-lock.yaml', 'libs/contract/src/**/*.ts']

/**
 * The folder with the built web client. A build is kept under the fingerprint of what it was made
 * from, so an unchanged client is not built again, and builds at the same time do not meet.
 */
export async function buildWeb(signal: AbortSignal): Promise<string> {
  const folder = join(buildsFolder, await fingerprint())
  if (existsSync(folder)) return folder
  await mkdir(buildsFolder, { recursive: true })
  const draft = await mkdtemp(join(buildsFolder, 'draft-'))
  try {
    await runVite(join(draft, 'files'), signal)
    await rename(join(draft, 'files'), folder)
  } catch (error) {
    // Another process was quicker with the same build.
    if (!existsSync(folder)) throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return folder
}

async function fingerprint(): Promise<string> {
  const paths = globSync([...sources, ...dependencies], { cwd: projectFolder, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
  const hash = createHash('sha256')
  for (const path of paths.sort()) hash.update(`${path}\n`).update(await readFile(path))
  return hash.digest('hex').slice(0, 20)
}

async function runVite(outputFolder: string, signal: AbortSignal): Promise<void> {
  const vite = join(sourceFolder, 'node_modules/vite/bin/vite.js')
  const child = spawn(
    process.execPath,
    [vite, 'build', '--logLevel', 'warn', '--outDir', outputFolder, '--emptyOutDir'],
    { cwd: sourceFolder, stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' },
  )
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => resolve(code))
  })
  const [code, said, complained] = await Promise.all([
    ended,
    text(child.stdout),
    text(child.stderr),
  ])
  if (code !== 0) throw new Refusal(`The web client could not be built.\n${said}${complained}`)
}
