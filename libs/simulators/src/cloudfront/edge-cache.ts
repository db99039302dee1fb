/** A reply as the edge keeps it: status, header lines of the origin, whole body. */
export interface Stored {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface CacheEntry {
  readonly reply: Stored
  readonly storedAtMs: number
  readonly freshUntilMs: number
}

interface TimeToLive {
  readonly defaultSeconds: number
  readonly maxSeconds: number
  readonly errorSeconds: number
}

/** What an entry costs beside its body. */
const entryBytes = 1024

/** Replies by object key, least recently used first out when their bytes exceed the bound. */
export class EdgeCache {
  readonly #entries = new Map<string, CacheEntry>()
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get sizeBytes(): number {
    return this.#bytes
  }

  find(key: string): CacheEntry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  store(key: string, entry: CacheEntry): void {
    this.delete(key)
    this.#entries.set(key, entry)
    this.#bytes += costOf(entry)
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax) return
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= costOf(entry)
  }

  deleteWhere(matches: (key: string) => boolean): void {
    for (const key of this.#entries.keys()) if (matches(key)) this.delete(key)
  }
}

function costOf(entry: CacheEntry): number {
  return entry.reply.body.length + entryBytes
}

/**
 * How long the edge may use a reply without asking, or undefined when it may not keep it at all.
 * A minimum TTL of zero: the origin's Cache-Control is obeyed (AWS, "Manage how long content
 * stays in the cache"). Errors live as long as the error caching time, unless the origin says.
 */
export function freshSecondsOf(reply: Stored, ttl: TimeToLive): number | undefined {
  const directives = parseCacheControl(reply.headers['cache-control'] ?? '')
  const named = directives.get('s-maxage') ?? directives.get('max-age')
  const seconds = named !== undefined && /^\d+$/.test(named) ? Number(named) : undefined
  if (reply.status >= 400) {
    // Whatever the origin says, an error is kept for the minimum (AWS, "Control how long CloudFront
    // caches errors"); a range that cannot be satisfied is not kept at all.
    const errorSeconds = Math.max(seconds ?? 0, ttl.errorSeconds)
    return errorSeconds > 0 && reply.status !== 416 ? errorSeconds : undefined
  }
  if (directives.has('no-store') || directives.has('private')) return undefined
  if (directives.has('no-cache')) return 0
  return Math.min(seconds ?? ttl.defaultSeconds, ttl.maxSeconds)
}

function parseCacheControl(header: string): Map<string, string> {
  const pairs = header.split(',').map((part): [string, string] => {
    const [name = '', value = ''] = part.split('=', 2)
    return [name.trim().toLowerCase(), value.trim().replace(/^"|"$/g, '')]
  })
  return new Map(pairs)
}
