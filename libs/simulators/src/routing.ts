import { readFile } from 'node:fs/promises'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'

/**
 * Who serves which path, as data that Terraform turns into listener rules and the ALB simulator
 * obeys. The schema holds the limits of an Application Load Balancer: a path condition has at
 * most three patterns of 128 characters out of its alphabet (AWS, "Condition types for listener
 * rules" and "Quotas for your Application Load Balancers").
 */
const Pattern = Type.String({ pattern: '^/[A-Za-z0-9_\\-.$/~"\'@:+&*?]{0,127}$' })
const Named = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 40 }), value: Type.String({ minLength: 1 }) },
  { additionalProperties: false },
)
const Group = Type.Union([Type.Literal('stable'), Type.Literal('beta')])
export type Group = Static<typeof Group>

const Priority = Type.Integer({ minimum: 1, maximum: 50_000 })
const Label = Type.String({ pattern: '^[a-z][a-z-]{0,31}$' })

const Steering = Type.Object(
  {
    name: Label,
    priority: Priority,
    header: Type.Optional(Named),
    cookie: Type.Optional(Named),
    group: Group,
  },
  { additionalProperties: false },
)
type Steering = Static<typeof Steering>

const PathRule = Type.Object(
  {
    priority: Priority,
    service: Label,
    patterns: Type.Array(Pattern, { minItems: 1, maxItems: 3 }),
  },
  { additionalProperties: false },
)

const Routing = Type.Object(
  {
    steering: Type.Array(Steering),
    defaultGroup: Group,
    services: Type.Record(
      Label,
      Type.Object(
        {
          port: Type.Integer({ minimum: 1, maximum: 65_535 }),
          healthPath: Type.String({ pattern: '^/' }),
        },
        { additionalProperties: false },
      ),
    ),
    paths: Type.Array(PathRule),
  },
  { additionalProperties: false },
)
export type Routing = Static<typeof Routing>

/** One listener rule may hold five wildcards and five values in all. */
const WILDCARDS_MAX = 5
const VALUES_MAX = 5

/** Reads a routing file; throws with every fault when it is not one a load balancer can obey. */
export async function loadRouting(
  file: URL | string = new URL('../../../services/routing.json', import.meta.url),
): Promise<Routing> {
  return parseRouting(JSON.parse(await readFile(file, 'utf8')))
}

/** Checks routing data; rules come back in the order in which a load balancer tries them. */
export function parseRouting(data: unknown): Routing {
  if (!Value.Check(Routing, data)) {
    const faults = Value.Errors(Routing, data).map(
      fault => `${fault.instancePath || '/'} ${fault.message}`,
    )
    throw new Error(`The routing data is not valid: ${faults.join('; ')}`)
  }
  const faults = faultsOf(data)
  if (faults.length > 0) throw new Error(`The routing data is not valid: ${faults.join('; ')}`)
  const byPriority = (a: { priority: number }, b: { priority: number }) => a.priority - b.priority
  return {
    ...data,
    steering: data.steering.toSorted(byPriority),
    paths: data.paths.toSorted(byPriority),
  }
}

function faultsOf(routing: Routing): string[] {
  const faults: string[] = []
  for (const rule of routing.steering) {
    if ((rule.header === undefined) === (rule.cookie === undefined)) {
      faults.push(`steering ${rule.name} must test either a header or a cookie`)
    }
  }
  for (const rule of routing.paths) {
    if (routing.services[rule.service] === undefined) {
      faults.push(`path rule ${rule.priority} names the unknown service ${rule.service}`)
    }
    const wildcards = rule.patterns.join('').replace(/[^*?]/g, '').length
    if (wildcards > WILDCARDS_MAX) faults.push(`path rule ${rule.priority} has too many wildcards`)
    if (rule.patterns.length + 1 > VALUES_MAX) {
      faults.push(`path rule ${rule.priority} leaves no room for a steering condition`)
    }
  }
  for (const rules of [routing.steering, routing.paths]) {
    if (new Set(rules.map(rule => rule.priority)).size < rules.length) {
      faults.push('two rules have the same priority')
    }
  }
  return faults
}

export interface RoutedRequest {
  /** The path as it was sent, with or without its query; it is not decoded or normalised. */
  readonly path: string
  /** Names in lower case, as Node gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

export interface Route {
  /** The steering rule and the path rule that decided, for logs and for people. */
  readonly rule: string
  readonly group: Group
  /** Undefined when no rule knows the path. */
  readonly service: string | undefined
}

/** Says who goes where, and by which rule (requirements G1, G3). Pure. */
export function explain(routing: Routing, request: RoutedRequest): Route {
  const steering = routing.steering.find(rule => isSteeredBy(rule, request))
  const path = request.path.split('?', 1)[0] ?? ''
  const pathRule = routing.paths.find(rule =>
    rule.patterns.some(pattern => matchesPattern(pattern, path)),
  )
  return {
    rule: `${steering?.name ?? 'default'}, ${pathRule ? `path ${pathRule.priority}` : 'no path'}`,
    group: steering?.group ?? routing.defaultGroup,
    service: pathRule?.service,
  }
}

function isSteeredBy(rule: Steering, request: RoutedRequest): boolean {
  if (rule.header !== undefined) {
    const { name, value } = rule.header
    // An ALB compares the values of header conditions without regard to case.
    return valuesOf(request.headers[name.toLowerCase()]).some(
      text => text.toLowerCase() === value.toLowerCase(),
    )
  }
  if (rule.cookie === undefined) return false
  const { name, value } = rule.cookie
  return valuesOf(request.headers['cookie']).some(text => hasCookie(text, name, value))
}

function valuesOf(header: string | readonly string[] | undefined): readonly string[] {
  if (header === undefined) return []
  return typeof header === 'string' ? [header] : header
}

/** True when one of the header's pairs is exactly name=value (RFC 6265 §5.4), not a part of one. */
function hasCookie(header: string, name: string, value: string): boolean {
  return header.split(';').some(pair => {
    const text = pair.trim()
    const equals = text.indexOf('=')
    return (
      equals > 0 &&
      text.slice(0, equals).trimEnd() === name &&
      text.slice(equals + 1).trimStart() === value
    )
  })
}

/** ALB wildcards: * is any run of characters, ? is exactly one. Linear but for one backtrack. */
export function matchesPattern(pattern: string, text: string): boolean {
  let at = 0
  let position = 0
  let star = -1
  let resume = 0
  while (position < text.length) {
    if (pattern[at] === '*') {
      star = at++
      resume = position
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[position])) {
      at++
      position++
    } else if (star >= 0) {
      at = star + 1
      position = ++resume
    } else {
      return false
    }
  }
  return /^\**$/.test(pattern.slice(at))
}
