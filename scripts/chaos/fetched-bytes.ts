import { createHash } from 'node:crypto'

const timeoutMs = 15_000

/** What is at an address; status 0 when there was no answer, or half of one. */
export async function fetchBytes(
  url: string,
  signal?: AbortSignal,
): Promise<{ readonly status: number; readonly sha256: string }> {
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const ending = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    const response = await fetch(url, { signal: ending })
    const bytes = Buffer.from(await response.arrayBuffer())
    return { status: response.status, sha256: createHash('sha256').update(bytes).digest('hex') }
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof Error)) throw error
    return { status: 0, sha256: '' }
  }
}
