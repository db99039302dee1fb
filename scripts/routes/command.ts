import { parseArgs } from 'node:util'
import { loadRouting, type RoutedRequest, type Routing } from '@funmagic/simulators/routing'
import { considerRules, type Considered, type Explanation } from './consider.ts'

export interface CommandResult {
  readonly output: string
  readonly errors: string
  readonly exitCode: number
}

const usage = `Usage:
  npm run routes -- explain [--header 'Name: value']… [--json] METHOD PATH
  npm run routes -- list [--json]

Examples:
  npm run routes -- explain --header 'X-Dev-Mode: true' GET /api/tasks
  npm run routes -- explain --header 'Cookie: x-beta-access=true' GET /api/assets
`
const usageCode = 2
const methodPattern = /^[A-Z]{3,10}$/
const headerPattern = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/

class UsageFault extends Error {}

/** The command line of `npm run routes`; a fault in it is explained with exit code 2. */
export async function runRoutes(
  parameters: readonly string[],
  file?: URL | string,
): Promise<CommandResult> {
  if (parameters.some(text => text === '--help' || text === '-h')) {
    return { output: usage, errors: '', exitCode: 0 }
  }
  try {
    const command = readCommand(parameters)
    const routing = await loadRouting(file)
    return { output: answer(command, routing), errors: '', exitCode: 0 }
  } catch (error) {
    if (!(error instanceof UsageFault)) throw error
    return { output: '', errors: `${error.message}\n\n${usage}`, exitCode: usageCode }
  }
}

interface Asked extends RoutedRequest {
  readonly method: string
}

type Command =
  | { readonly name: 'list'; readonly isJson: boolean }
  | { readonly name: 'explain'; readonly isJson: boolean; readonly request: Asked }

function readCommand(parameters: readonly string[]): Command {
  const { values, positionals } = parse(parameters)
  const [name, ...rest] = positionals
  const isJson = values.json === true
  const headers = values.header ?? []
  if (name === 'list') {
    if (rest.length > 0) throw new UsageFault(`list takes nothing more: ${rest.join(' ')}`)
    if (headers.length > 0) throw new UsageFault('list takes no headers.')
    return { name, isJson }
  }
  if (name === 'explain') return { name, isJson, request: readRequest(rest, headers) }
  throw new UsageFault(name === undefined ? 'No command given.' : `Unknown command: ${name}`)
}

function parse(parameters: readonly string[]) {
  try {
    return parseArgs({
      args: [...parameters],
      allowPositionals: true,
      options: {
        header: { type: 'string', short: 'H', multiple: true },
        json: { type: 'boolean' },
      },
    })
  } catch (error) {
    // Node goes on about arguments that begin with a hyphen, which no path or method does.
    const [fault = ''] = (error instanceof Error ? error.message : String(error)).split('. ', 1)
    throw new UsageFault(fault, { cause: error })
  }
}

function readRequest(rest: readonly string[], lines: readonly string[]): Asked {
  const [method, path, ...more] = rest
  if (method === undefined || path === undefined || more.length > 0) {
    throw new UsageFault('explain takes a method and a path, such as GET /api/tasks.')
  }
  if (!methodPattern.test(method)) throw new UsageFault(`${method} is not a method such as GET.`)
  if (!path.startsWith('/')) throw new UsageFault(`${path} is not a path: it must begin with /.`)
  const headers: Record<string, string[]> = {}
  for (const line of lines) {
    const [, name, value] = headerPattern.exec(line) ?? []
    if (name === undefined || value === undefined) {
      throw new UsageFault(`${line} is not a header: write 'Name: value'.`)
    }
    ;(headers[name.toLowerCase()] ??= []).push(value)
  }
  return { method, path, headers }
}

function answer(command: Command, routing: Routing): string {
  switch (command.name) {
    case 'list':
      return command.isJson ? json(routing) : describeRules(routing)
    case 'explain': {
      const explanation = considerRules(routing, command.request)
      const { method, path } = command.request
      if (command.isJson) return json({ method, path, ...explanation })
      return describeExplanation(explanation, { ...command.request, routing })
    }
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

function describeExplanation(
  { steering, paths, route, decidedBy }: Explanation,
  { method, path, routing }: Asked & { readonly routing: Routing },
): string {
  const port = route.service === undefined ? undefined : routing.services[route.service]?.port
  const target = route.service === undefined ? 'nobody' : `${route.service}, port ${port}`
  return lines([
    `${method} ${path}`,
    `goes to ${target}, in the ${route.group} group.`,
    '',
    `Group: ${decidedBy.group}`,
    `Service: ${decidedBy.service}`,
    '',
    'Steering rules, in order:',
    ...tried(steering),
    `  default → ${routing.defaultGroup}`,
    '',
    'Path rules, in order:',
    ...tried(paths),
  ])
}

/** Rules after the first that matches are not tried by a load balancer, and are marked so. */
function tried(rules: readonly Considered[]): string[] {
  const decisive = rules.findIndex(rule => rule.isMatch)
  return rules.map((rule, index) => {
    const isLate = decisive >= 0 && index > decisive
    const mark = index === decisive ? 'WINS' : isLate ? 'late' : 'no'
    const match = isLate && rule.isMatch ? ' (would match)' : ''
    return `  ${mark.padEnd(4)} ${rule.priority} ${rule.name}: ${rule.reason}${match}`
  })
}

function describeRules(routing: Routing): string {
  return lines([
    'Steering: which group of servers',
    ...routing.steering.map(rule => {
      const condition = rule.header ?? rule.cookie
      const kind = rule.header === undefined ? 'cookie' : 'header'
      const text = `${kind} ${condition?.name}=${condition?.value}`
      return `  ${rule.priority} ${rule.name}: ${text} → ${rule.group}`
    }),
    `  default → ${routing.defaultGroup}`,
    '',
    'Paths: which service',
    ...routing.paths.map(rule => {
      const service = routing.services[rule.service]
      const patterns = rule.patterns.join(' ')
      return `  ${rule.priority} ${patterns} → ${rule.service}, port ${service?.port}`
    }),
    '  anything else → 404 by the load balancer',
  ])
}

function lines(texts: readonly string[]): string {
  return `${texts.join('\n')}\n`
}
