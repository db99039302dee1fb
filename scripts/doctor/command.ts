import { parseArgs } from 'node:util'
import { loadRouting } from '@funmagic/simulators/routing'
import { findStackFile } from '../local/stack-file.ts'
import { runChecks, type Check, type Outcome } from './check.ts'
import { dnsChecks, openNames, type Names } from './dns-checks.ts'
import { edgeChecks } from './edge-checks.ts'
import { liveInstallation, localInstallation, type Installation } from './installation.ts'
import { storageChecks } from './storage-checks.ts'
import { tlsChecks, type TlsOptions } from './tls-checks.ts'

const usage = `Usage:
  npm run doctor                          the local installation, while npm start runs
  npm run doctor -- --domain funmagic.ai  a live one, from outside

With --domain:
  --edge URL --cdn URL --private-cdn URL  when they are not api., cdn. and private-cdn. of it
  --name funmagic-staging                 the prefix of its buckets (funmagic-production)
  --region us-east-2                      where its buckets are
  --object KEY                            a published object, to prove that S3 itself refuses it
  --no-beta                               nobody is steered: no beta group, or signed values only
Always: --json, --deadline SECONDS of each check (10)
`
const usageCode = 2
const deadlineDefaultSeconds = 10
const domainPattern = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/

export interface DoctorSurroundings {
  readonly localFolder: string
  readonly write: (text: string) => void
  readonly names?: Names
  readonly tls?: TlsOptions
}

class UsageFault extends Error {}

/** The command line of `npm run doctor`: 0 all well, 1 something failed, 2 wrongly called. */
export async function runDoctor(
  parameters: readonly string[],
  surroundings: DoctorSurroundings,
): Promise<number> {
  const { write } = surroundings
  if (parameters.some(text => text === '--help' || text === '-h')) {
    write(usage)
    return 0
  }
  try {
    const asked = readParameters(parameters)
    const installation = asked.live ?? (await findLocal(surroundings.localFolder))
    const outcomes = await runChecks(await checksOf(installation, surroundings), asked.deadlineMs)
    write(asked.isJson ? json(installation, outcomes) : describe(installation, outcomes))
    return outcomes.some(({ status }) => status === 'failed') ? 1 : 0
  } catch (error) {
    if (!(error instanceof UsageFault)) throw error
    write(`${error.message}\n\n${usage}`)
    return usageCode
  }
}

/** All checks, in the order in which a request meets what they look at. */
export async function checksOf(
  installation: Installation,
  { names = openNames(), tls = { now: Date.now } }: Partial<DoctorSurroundings>,
): Promise<Check[]> {
  return [
    ...dnsChecks(installation, names),
    ...tlsChecks(installation, tls),
    ...edgeChecks(installation, await loadRouting()),
    ...storageChecks(installation),
  ]
}

async function findLocal(localFolder: string): Promise<Installation> {
  const stack = await findStackFile(localFolder)
  if (stack !== undefined) return localInstallation(stack)
  throw new UsageFault('Nothing runs here: start it with `npm start`, or name a --domain.')
}

interface Asked {
  readonly live: Installation | undefined
  readonly deadlineMs: number
  readonly isJson: boolean
}

function readParameters(parameters: readonly string[]): Asked {
  const values = parse(parameters)
  const { domain, deadline = String(deadlineDefaultSeconds) } = values
  const deadlineMs = Number(deadline) * 1000
  if (!(deadlineMs > 0 && deadlineMs <= 60_000)) {
    throw new UsageFault(`--deadline ${deadline} is not a number of seconds up to 60.`)
  }
  const isJson = values.json === true
  if (domain === undefined) {
    const extra = Object.keys(values).filter(name => !['json', 'deadline'].includes(name))
    if (extra.length > 0) throw new UsageFault(`--${extra.join(', --')} need --domain.`)
    return { live: undefined, deadlineMs, isJson }
  }
  if (!domainPattern.test(domain)) throw new UsageFault(`${domain} is not a domain name.`)
  const live = liveInstallation({
    domain,
    edge: readAddress(values.edge),
    cdn: readAddress(values.cdn),
    privateCdn: readAddress(values['private-cdn']),
    name: values.name,
    region: values.region,
    object: values.object,
    hasBeta: values['no-beta'] !== true,
  })
  return { live, deadlineMs, isJson }
}

function parse(parameters: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    const { values } = parseArgs({
      args: [...parameters],
      options: {
        domain: text,
        edge: text,
        cdn: text,
        'private-cdn': text,
        name: text,
        region: text,
        object: text,
        deadline: text,
        'no-beta': flag,
        json: flag,
      },
    })
    return values
  } catch (error) {
    throw new UsageFault(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function readAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  if (/^https?:/.test(text) && URL.canParse(text)) return new URL(text).origin
  throw new UsageFault(`${text} is not an address that begins with http:// or https://.`)
}

function json(installation: Installation, checks: readonly Outcome[]): string {
  const { title, edge, cdn, privateCdn } = installation
  return `${JSON.stringify({ title, edge, cdn, privateCdn, checks }, undefined, 2)}\n`
}

function describe(installation: Installation, outcomes: readonly Outcome[]): string {
  const width = Math.max(...outcomes.map(({ name }) => name.length))
  const lines = outcomes.flatMap(outcome => {
    const mark = outcome.status === 'failed' ? 'FAILED' : outcome.status
    const line = `${mark.padEnd(7)}  ${outcome.name.padEnd(width)}  ${outcome.detail}`
    return outcome.status === 'failed' ? [line, `         → ${outcome.fix}`] : [line]
  })
  const count = (status: string) => outcomes.filter(outcome => outcome.status === status).length
  const last = `${count('ok')} ok, ${count('failed')} failed, ${count('skipped')} skipped`
  return `${[`Looking at ${installation.title} …`, ...lines, '', last].join('\n')}\n`
}
