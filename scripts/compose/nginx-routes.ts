import type { Routing } from '@funmagic/simulators/routing'

/**
 * The path rules of services/routing.json as a map of nginx from the request line to the address
 * of a service. Like the load balancer it matches the path as it was sent, in order of priority.
 */
export function nginxRoutes({ paths, services }: Routing): string {
  const lines = paths.flatMap(({ service, patterns }) =>
    patterns.map(pattern => `    ${expressionOf(pattern)} ${service}:${services[service]?.port};`),
  )
  return [
    '# Made from services/routing.json by `npm run generate`.',
    'map $request_uri $service_address {',
    "    default '';",
    ...lines,
    '}',
    '',
  ].join('\n')
}

/** ALB wildcards: * is any run of characters, ? is exactly one; a query is no part of the path. */
function expressionOf(pattern: string): string {
  const text = Array.from(pattern, character => {
    if (character === '*') return '[^?]*'
    if (character === '?') return '[^?]'
    return /[\\^$.|+()[\]{}"]/.test(character) ? `\\${character}` : character
  }).join('')
  return `"~^${text}(\\?|$)"`
}
