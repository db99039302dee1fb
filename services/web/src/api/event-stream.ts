import { problemOf, reach } from './client.ts'

/** One server-sent event: its place in the stream, and its data. */
export interface StreamEvent {
  readonly id: string
  readonly data: unknown
}

interface StreamOptions {
  /** The place after which to go on; undefined for the beginning. */
  readonly lastEventId: string | undefined
  readonly signal: AbortSignal
}

/**
 * Server-sent events over fetch: unlike an EventSource it tells a refusal from a broken line, and
 * leaves the decision when to come back to its caller. Throws ApiProblem; ends as the server does.
 */
export async function* readEvents(
  path: string,
  options: StreamOptions,
): AsyncGenerator<StreamEvent> {
  const { lastEventId, signal } = options
  const headers = new Headers({ accept: 'text/event-stream' })
  if (lastEventId !== undefined) headers.set('last-event-id', lastEventId)
  const response = await reach(path, { headers, signal, cache: 'no-store' })
  if (!response.ok || response.body === null) throw await problemOf(response)
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    // Bounded by the life of the stream: the server or the signal ends it.
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const event = parseEvent(block)
        if (event !== undefined) yield event
      }
    }
  } finally {
    // Whoever stops listening closes the line, also one that broke already.
    await reader.cancel().catch(() => undefined)
  }
}

/** Undefined for a block that only names a time or keeps the line open. */
export function parseEvent(block: string): StreamEvent | undefined {
  const fields = block.split('\n').map(line => /^([a-z]+): ?(.*)$/.exec(line))
  const valuesOf = (name: string) =>
    fields.flatMap(field => (field?.[1] === name ? [field[2] ?? ''] : []))
  const data = valuesOf('data')
  if (data.length === 0) return undefined
  return { id: valuesOf('id').at(-1) ?? '', data: JSON.parse(data.join('\n')) }
}
