import type { FileStore } from './file-store.ts'

/** The input could not be fetched; the text is for the caller. */
export class InputError extends Error {}

const bytesMax = 64 * 1024 * 1024
const timeoutMs = 10_000

/**
 * The bytes behind a data URI, a file uploaded here, or an address on the web: what a provider
 * reads when it is given an input. Throws InputError.
 */
export async function readInput(uri: string, files: FileStore): Promise<Buffer> {
  if (uri.startsWith('data:')) return readDataUri(uri)
  if (!URL.canParse(uri) || !/^https?:$/.test(new URL(uri).protocol)) {
    throw new InputError(`${uri.slice(0, 80)} is not a URL`)
  }
  for (const part of new URL(uri).pathname.split('/')) {
    const own = files.find(part)
    if (own !== undefined) return own.bytes
  }
  return download(uri)
}

function readDataUri(uri: string): Buffer {
  const comma = uri.indexOf(',')
  if (comma < 0) throw new InputError('The data URI has no data')
  const text = uri.slice(comma + 1)
  const isBase64 = uri.slice(0, comma).endsWith(';base64')
  const bytes = Buffer.from(
    isBase64 ? text : decodeURIComponent(text),
    isBase64 ? 'base64' : 'utf8',
  )
  if (bytes.length > bytesMax) throw new InputError('The data URI is too large')
  return bytes
}

async function download(url: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })
    if (!reply.ok) throw new InputError(`Downloading the input failed with ${reply.status}`)
    const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = reply.body ?? []
    for await (const chunk of body) {
      sizeBytes += chunk.length
      if (sizeBytes > bytesMax) throw new InputError('The input is too large')
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof InputError) throw error
    throw new InputError('Downloading the input failed', { cause: error })
  }
  return Buffer.concat(chunks)
}
