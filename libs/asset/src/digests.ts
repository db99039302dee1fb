import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'

const bytesOfTurn = 1024 * 1024

/**
 * The SHA-256 of bytes that are in memory, in hex. A clean picture has up to 200 MB, whose digest
 * takes a quarter of a second: other requests get their turn after each megabyte.
 */
export async function sha256Of(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256')
  for (let start = 0; start < bytes.length; start += bytesOfTurn) {
    if (start > 0) await nextTurn()
    hash.update(bytes.subarray(start, start + bytesOfTurn))
  }
  return hash.digest('hex')
}
