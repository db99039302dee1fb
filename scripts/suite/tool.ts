import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'

export interface ToolResult {
  readonly code: number
  /** What the tool printed; of very much, the end. */
  readonly output: string
}

const root = join(import.meta.dirname, '../..')
const outputCharsMax = 200_000
const interruptedCode = 130

/** Runs a tool of the workspace at the root and collects what it prints. */
export async function runTool(command: readonly string[], signal?: AbortSignal) {
  const [program = '', ...parameters] = command
  const { promise, resolve, reject } = Promise.withResolvers<ToolResult>()
  const child = spawn(program, parameters, {
    cwd: root,
    env: toolEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (chunk: string) => {
    output = (output + chunk).slice(-outputCharsMax)
  }
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  const stop = () => child.kill()
  signal?.addEventListener('abort', stop, { once: true })
  child.once('error', reject)
  child.once('close', code => resolve({ code: code ?? interruptedCode, output }))
  return promise.finally(() => signal?.removeEventListener('abort', stop))
}

/** The environment with the workspace's own tools first on the path, its Node among them. */
export function toolEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const path = [join(root, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter)
  return { ...process.env, ...more, PATH: path }
}
