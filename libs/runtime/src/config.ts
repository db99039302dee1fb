import Type, { type Static, type TObject, type TSchema } from 'typebox'
import { Value } from 'typebox/value'

/** What a leaf of a configuration schema says about itself beside its type and default. */
interface SettingNote {
  /** The environment variable it is read from. */
  readonly env: string
  /** A secret is printed as `[set]` and never logged. */
  readonly secret?: boolean
}

export interface SettingDescription {
  readonly variable: string
  readonly type: string
  readonly default: string | undefined
  readonly isRequired: boolean
  readonly isSecret: boolean
  readonly description: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Every fault of a configuration at once; `run` prints them and exits with 1. */
export class ConfigError extends Error {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`The configuration has ${faults.length} fault(s):\n${faults.join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/** Ties a leaf of a configuration schema to its environment variable. */
export function setting<Schema extends TSchema>(schema: Schema, note: SettingNote): Schema {
  return Object.assign(schema, { env: note.env, secret: note.secret ?? false })
}

/**
 * Reads a configuration from the environment. The schema is nested by subject; its leaves are
 * made with `setting`. An empty variable counts as unset; nothing is coerced silently, so
 * `PORT=abc` is a fault. Throws ConfigError naming every fault.
 */
export function loadConfig<Schema extends TObject>(
  schema: Schema,
  environment: Environment,
): Static<Schema> {
  const faults: string[] = []
  const config = readObject(schema, environment, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return Value.Parse(schema, config)
}

/** The settings of a schema in order, for the tables in the READMEs and .env.example. */
export function describeConfig(schema: TObject): SettingDescription[] {
  return Object.values(schema.properties).flatMap(property =>
    isGroup(property) ? describeConfig(property) : [describeSetting(property)],
  )
}

function describeSetting(schema: TSchema): SettingDescription {
  const value = read(schema, 'default')
  return {
    variable: String(read(schema, 'env')),
    type: typeName(schema),
    default:
      value === undefined ? undefined : Array.isArray(value) ? value.join(',') : String(value),
    isRequired: value === undefined && !Type.IsOptional(schema),
    isSecret: read(schema, 'secret') === true,
    description: String(read(schema, 'description') ?? ''),
  }
}

function readObject(
  schema: TObject,
  environment: Environment,
  faults: string[],
): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = isGroup(property)
      ? readObject(property, environment, faults)
      : readSetting(property, environment, faults)
    if (value !== undefined) values[name] = value
  }
  return values
}

function readSetting(schema: TSchema, environment: Environment, faults: string[]): unknown {
  const variable = String(read(schema, 'env'))
  const text = environment[variable]
  if (text === undefined || text === '') {
    const fallback = read(schema, 'default')
    if (fallback === undefined && !Type.IsOptional(schema)) {
      faults.push(`${variable} is not set: ${String(read(schema, 'description') ?? 'required')}`)
    }
    return fallback
  }
  const value = parse(schema, text)
  const problem = value === undefined ? undefined : Value.Errors(schema, value)[0]
  if (value === undefined || problem !== undefined) {
    const shown = read(schema, 'secret') === true ? '[set]' : JSON.stringify(text)
    const reason = problem?.message ?? `must be of type ${typeName(schema)}`
    faults.push(`${variable} is ${shown}: ${reason}`)
    return undefined
  }
  return value
}

function parse(schema: TSchema, text: string): unknown {
  switch (read(schema, 'type')) {
    case 'integer':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'array':
      return text
        .split(',')
        .map(item => item.trim())
        .filter(item => item !== '')
    default:
      return text
  }
}

function typeName(schema: TSchema): string {
  const type = read(schema, 'type')
  if (type === 'array') return 'comma-separated list'
  if (typeof type === 'string') return type
  const choices = read(schema, 'anyOf')
  if (!Array.isArray(choices)) return 'string'
  return choices.map((choice: TSchema) => JSON.stringify(read(choice, 'const'))).join(' | ')
}

function isGroup(schema: TSchema): schema is TObject {
  return Type.IsObject(schema)
}

function read(schema: TSchema, key: string): unknown {
  return Reflect.get(schema, key)
}
