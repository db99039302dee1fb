import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'

/** A service of a Compose file, as far as the tests ask; values are not interpolated yet. */
export interface ComposeService {
  readonly image?: string
  readonly build?: { readonly target?: string; readonly args?: Readonly<Record<string, string>> }
  readonly extends?: { readonly file: string; readonly service: string }
  readonly environment?: Readonly<Record<string, string | number>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly read_only?: boolean
  readonly init?: boolean
  readonly user?: string
  readonly tmpfs?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly stop_grace_period?: string
  readonly ports?: readonly string[]
  readonly restart?: string
}

interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>
}

/** The services of a file, with what they extend. */
export function readCompose(file: string): Readonly<Record<string, ComposeService>> {
  const { services } = parseFile(file)
  const entries = Object.entries(services).map(([name, service]) => {
    if (service.extends === undefined) return [name, service] as const
    const extended = readCompose(join(dirname(file), service.extends.file))
    // Nothing that is extended gives a key anew, so the keys need no merging.
    return [name, { ...extended[service.extends.service], ...service }] as const
  })
  return Object.fromEntries(entries)
}

export function readDotEnv(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^(\w+)='([^']*)'$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
}

const placeholder = /(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}/g

/** The variables that a text of a Compose file needs, and which of them must be set. */
export function placeholdersOf(text: string): { name: string; isRequired: boolean }[] {
  return [...text.matchAll(placeholder)].map(([, name = '', mark]) => {
    return { name, isRequired: mark !== '-' }
  })
}

/** What Compose puts in place of `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. */
function interpolate(text: string, variables: Readonly<Record<string, string>>): string {
  return text
    .replaceAll(placeholder, (_all, name: string, mark?: string, rest = '') => {
      const value = variables[name] ?? ''
      if (value !== '') return value
      if (mark === '-') return rest
      throw new Error(`${name} is not set`)
    })
    .replaceAll('$$', '$')
}

/** The environment of a container of the service. */
export function environmentOf(
  service: ComposeService,
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  const entries = Object.entries(service.environment ?? {})
  return Object.fromEntries(
    entries.map(([name, value]) => [name, interpolate(String(value), variables)]),
  )
}

/** Seconds of a Compose duration such as `35s`. */
export function secondsOf(duration: string | undefined): number {
  const [, seconds] = /^(\d+)s$/.exec(duration ?? '') ?? []
  return Number(seconds)
}

function parseFile(file: string): ComposeFile {
  // The shape is that of the Compose files of this project, which the tests hold to it.
  return parse(readFileSync(file, 'utf8'), { merge: true }) as ComposeFile
}
