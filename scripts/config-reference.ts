import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { describeConfig, type SettingDescription } from '../libs/runtime/src/config.ts'

export interface GeneratedFile {
  /** Relative to the root. */
  readonly path: string
  readonly text: string
}

interface ServiceSettings {
  readonly service: string
  readonly folder: string
  readonly settings: readonly SettingDescription[]
}

type Schema = Parameters<typeof describeConfig>[0]

const startMark = '<!-- config:start -->'
const endMark = '<!-- config:end -->'

/**
 * What the configuration schemas in services/*\/src/config.ts say, as the table in each service's
 * README and as .env.example. Throws when a variable means different things to two services.
 */
export async function configReference(root: string): Promise<GeneratedFile[]> {
  const services = await readSettings(root)
  const files: GeneratedFile[] = [{ path: '.env.example', text: exampleOf(services) }]
  for (const service of services) files.push(await writeReadme(root, service))
  return files
}

async function readSettings(root: string): Promise<ServiceSettings[]> {
  const files = globSync('services/*/src/config.ts', { cwd: root }).sort()
  const found: ServiceSettings[] = []
  for (const file of files) {
    const folder = dirname(dirname(file))
    const schema = onlyConfig(await importModule(join(root, file)))
    if (!schema) throw new Error(`${file} must export one TypeBox object named …Config`)
    found.push({ service: basename(folder), folder, settings: describeConfig(schema) })
  }
  return found
}

async function importModule(file: string): Promise<object> {
  const exports: unknown = await import(file)
  return typeof exports === 'object' && exports !== null ? exports : {}
}

function onlyConfig(exports: object): Schema | undefined {
  const named = Object.entries(exports).filter(([name]) => name.endsWith('Config'))
  const schemas = named.map(([, value]): unknown => value).filter(isSchema)
  return schemas.length === 1 ? schemas[0] : undefined
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && 'properties' in value
}

/** The README with the table between its two marks, laid out as the formatter would. */
async function writeReadme(root: string, { folder, settings }: ServiceSettings) {
  const path = `${folder}/README.md`
  const text = readText(join(root, path))
  const start = text.indexOf(startMark)
  const end = text.indexOf(endMark)
  if (start < 0 || end < start) throw new Error(`${path} needs ${startMark} and ${endMark}`)
  const before = text.slice(0, start + startMark.length)
  const style = await resolveConfig(join(root, path))
  const table = await format(tableOf(settings), { ...style, parser: 'markdown' })
  return { path, text: `${before}\n\n${table}\n${text.slice(end)}` }
}

function tableOf(settings: readonly SettingDescription[]): string {
  const rows = settings.map(setting => {
    const cells = [`\`${setting.variable}\``, setting.type, valueOf(setting), meaningOf(setting)]
    return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return ['| Variable | Type | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  )
}

function valueOf(setting: SettingDescription): string {
  if (setting.isRequired) return 'required'
  return setting.default === undefined || setting.default === '' ? '' : `\`${setting.default}\``
}

function meaningOf(setting: SettingDescription): string {
  return setting.isSecret ? `${setting.description} (secret)` : setting.description
}

/** One entry for each variable, and one more for each service that gives it another default. */
function exampleOf(all: readonly ServiceSettings[]): string {
  const uses = all.flatMap(({ service, settings }) =>
    settings.map(setting => ({ service, setting, value: setting.default ?? '' })),
  )
  for (const group of Map.groupBy(uses, ({ setting }) => setting.variable).values()) {
    requireOneType(group.map(({ setting }) => setting))
  }
  const entries = Map.groupBy(uses, ({ setting, value }) => `${setting.variable}=${value}`)
  const texts = [...entries].map(([line, [first, ...others]]) => {
    if (!first) return ''
    const readers = [first, ...others].map(({ service }) => service)
    const who = readers.length === all.length ? 'every service' : readers.join(', ')
    const shown = first.setting.isRequired ? line : `#${line}`
    return `# ${meaningOf(first.setting)}. ${who}\n${shown}\n`
  })
  return [examplePreface, ...texts].join('\n')
}

const examplePreface =
  '# Settings of the services, made by `npm run generate`. `npm start` sets them by itself.\n' +
  '# A line behind # shows the default; the others must be set.\n'

/** One variable means one thing, whichever service reads it. */
function requireOneType(settings: readonly SettingDescription[]): void {
  const types = new Set(settings.map(({ type }) => type))
  const variable = settings[0]?.variable
  if (types.size > 1) throw new Error(`${variable} is of types ${[...types].join(' and ')}`)
}

/** The text of a file, or nothing where there is no file. */
export function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
