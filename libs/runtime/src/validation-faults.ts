import type { FastifyError } from 'fastify'

/** What is wrong with a part of a request, and where (RFC 6901). */
export interface ValidationFault {
  readonly pointer: string
  readonly message: string
}

const namedMax = 20

/** In words for people who fill in forms, where the schema checker's own are for experts. */
export function toFault({
  instancePath,
  keyword,
  params,
  message = 'This is not of the documented form.',
}: NonNullable<FastifyError['validation']>[number]): ValidationFault {
  const at = (name: unknown) => `${instancePath}/${escapeToken(String(name))}`
  switch (keyword) {
    case 'additionalProperties':
      return {
        pointer: at(params['additionalProperty']),
        message: 'There is no such property here.',
      }
    case 'required':
      return { pointer: at(params['missingProperty']), message: 'This is missing.' }
    case 'not':
      return { pointer: instancePath, message: 'This value is not allowed.' }
    case 'enum':
      return { pointer: instancePath, message: chooseOf(params['allowedValues'], message) }
    case 'pattern':
      return { pointer: instancePath, message: isIdPattern(params) ? 'This is no id.' : message }
    default:
      return { pointer: instancePath, message }
  }
}

/** The place of a fault as people write it: `input.seed`. */
export function fieldOf({ pointer }: ValidationFault): string {
  return pointer.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
}

function escapeToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function chooseOf(allowed: unknown, otherwise: string): string {
  if (!Array.isArray(allowed) || allowed.length > namedMax) return otherwise
  return `Choose of ${allowed.join(', ')}.`
}

/** Of libs/contract/src/ids.ts: an expression of that length helps nobody. */
function isIdPattern({ pattern }: Record<string, unknown>): boolean {
  return typeof pattern === 'string' && pattern.startsWith('^[0-9a-f]{8}-[0-9a-f]{4}-')
}
