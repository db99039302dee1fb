import { isSpanContextValid, trace } from '@opentelemetry/api'
import { pino, type DestinationStream, type Logger } from 'pino'

export type { Logger } from 'pino'

const secretPaths = [
  'authorization',
  'cookie',
  'password',
  'token',
  'apiKey',
  'secretKey',
  'headers.authorization',
  'headers.cookie',
  '*.authorization',
  '*.cookie',
  '*.password',
  '*.token',
  '*.apiKey',
  '*.secretKey',
]

/**
 * JSON lines to stdout, bound to the service's name; inside a trace each line carries its ids.
 * Fields with the names of secrets are replaced (requirements O1, S14).
 */
export function createLogger(
  service: string,
  level: string,
  destination?: DestinationStream,
): Logger {
  const options = {
    level,
    base: { service },
    redact: { paths: secretPaths, censor: '[redacted]' },
    mixin: traceIds,
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** A logger for the work on one task (O1). */
export function createTaskLogger(logger: Logger, taskId: string, requestId?: string): Logger {
  return logger.child(requestId === undefined ? { taskId } : { taskId, requestId })
}

function traceIds(): object {
  const context = trace.getActiveSpan()?.spanContext()
  if (context === undefined || !isSpanContextValid(context)) return {}
  return { traceId: context.traceId, spanId: context.spanId }
}
