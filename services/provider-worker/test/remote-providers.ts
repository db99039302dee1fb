import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Providers } from '@funmagic/simulators/providers'
import t from 'tap'

type Script = Parameters<Providers['script']>[0]
type CallReport = ReturnType<Providers['calls']>

/** The simulated providers in a process of their own, and how a test talks to them. */
export interface RemoteProviders {
  readonly openaiUrl: string
  readonly replicateUrl: string
  readonly falUrl: string
  readonly tripoUrl: string
  readonly googleUrl: string
  /** Says what the next matching calls are to do. */
  script(script: Script): Promise<void>
  /** What was really asked of them: the oracle. */
  calls(): Promise<CallReport>
}

const latencyMs = 100
let started: Promise<string> | undefined

/** One process for the test file; every test finds it without scripts and without calls. */
export async function openProviders(): Promise<RemoteProviders> {
  started ??= startProcess()
  const url = await started
  const control = async (path: string, init?: RequestInit): Promise<Response> => {
    const reply = await fetch(`${url}/_control/${path}`, init)
    if (!reply.ok) throw new Error(`${path} was answered with ${reply.status}`)
    return reply
  }
  await control('scripts', { method: 'DELETE' })
  await control('calls', { method: 'DELETE' })
  return {
    openaiUrl: `${url}/openai/v1`,
    replicateUrl: `${url}/replicate/v1`,
    falUrl: `${url}/fal`,
    tripoUrl: `${url}/tripo/v2/openapi`,
    googleUrl: `${url}/google`,
    script: async script => {
      const headers = { 'content-type': 'application/json' }
      await control('scripts', { method: 'POST', headers, body: JSON.stringify(script) })
    },
    // The reply is of the simulator's own type.
    calls: async () => (await (await control('calls')).json()) as CallReport,
  }
}

async function startProcess(): Promise<string> {
  const program = fileURLToPath(new URL('providers-main.ts', import.meta.url))
  const child = spawn(process.execPath, [program, String(latencyMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(async () => {
    child.stdin.end()
    await once(child, 'exit')
  })
  const [url] = await once(createInterface(child.stdout), 'line')
  return String(url)
}
