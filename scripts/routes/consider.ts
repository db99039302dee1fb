import {
  explain,
  matchesPattern,
  type RoutedRequest,
  type Route,
  type Routing,
} from '@funmagic/simulators/routing'

/** One rule of the routing file, held against a request by itself. */
export interface Considered {
  readonly kind: 'steering' | 'path'
  readonly priority: number
  readonly name: string
  readonly isMatch: boolean
  readonly reason: string
}

export interface Explanation {
  readonly steering: readonly Considered[]
  readonly paths: readonly Considered[]
  readonly route: Route
  /** The deciding rules: the first that matches of each list, in the words of its reason. */
  readonly decidedBy: { readonly group: string; readonly service: string }
}

/**
 * Who serves the request, and what each rule said, in the order in which a load balancer tries
 * them (requirements G1, G3). The verdicts are `explain`'s own; only the words are made here.
 */
export function considerRules(routing: Routing, request: RoutedRequest): Explanation {
  const steering = routing.steering.map(rule => considerSteering(routing, rule, request))
  const paths = routing.paths.map(rule => considerPath(rule, request))
  const route = explain(routing, request)
  const decisive = steering.find(rule => rule.isMatch)
  const decisivePath = paths.find(rule => rule.isMatch)
  return {
    steering,
    paths,
    route,
    decidedBy: {
      group: decisive
        ? `${decisive.name} (priority ${decisive.priority}): ${decisive.reason}`
        : 'no steering rule matches, so the default holds',
      service: decisivePath
        ? `path rule ${decisivePath.priority}: ${decisivePath.reason}`
        : 'no path rule matches, so the load balancer itself answers 404',
    },
  }
}

type SteeringRule = Routing['steering'][number]
type PathRule = Routing['paths'][number]

function considerSteering(
  routing: Routing,
  rule: SteeringRule,
  request: RoutedRequest,
): Considered {
  const alone = explain({ ...routing, steering: [rule], paths: [] }, request)
  const isMatch = alone.rule.startsWith(`${rule.name},`)
  const { name, priority } = rule
  return { kind: 'steering', priority, name, isMatch, reason: reasonOf(rule, request, isMatch) }
}

function reasonOf(rule: SteeringRule, request: RoutedRequest, isMatch: boolean): string {
  if (rule.header !== undefined) {
    const { name, value } = rule.header
    const sent = textOf(request.headers[name.toLowerCase()])
    if (isMatch) return `the header ${name} is ${value}`
    if (sent === undefined) return `there is no header ${name}`
    return `the header ${name} is ${JSON.stringify(sent)}, not ${value}`
  }
  const { name, value } = rule.cookie ?? { name: '', value: '' }
  const sent = textOf(request.headers['cookie'])
  if (isMatch) return `the cookie ${name} is ${value}`
  if (sent === undefined) return `there are no cookies, so none is ${name}=${value}`
  if (!sent.includes(`${name}=${value}`)) return `no cookie is ${name}=${value}`
  return `${name}=${value} is only a part of another cookie, and a cookie must be exactly that`
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return header === undefined || typeof header === 'string' ? header : header.join('; ')
}

function considerPath(rule: PathRule, request: RoutedRequest): Considered {
  const path = request.path.split('?', 1)[0] ?? ''
  const pattern = rule.patterns.find(candidate => matchesPattern(candidate, path))
  const { priority, service: name } = rule
  const all = rule.patterns.join(', ')
  const reason = pattern === undefined ? `${path} is not ${all}` : `${path} is ${pattern}`
  return { kind: 'path', priority, name, isMatch: pattern !== undefined, reason }
}
