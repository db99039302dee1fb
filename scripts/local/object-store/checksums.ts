import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { S3Error } from './s3-error.ts'

export const checksumAlgorithms = ['sha256', 'sha1', 'crc32'] as const
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number]

/** Checksums in base64 by algorithm, as S3 sends them. */
export type Checksums = Readonly<Partial<Record<ChecksumAlgorithm, string>>>

/** What the writer says about the bytes; each that is given must be true. */
export interface Promised {
  readonly checksums: Checksums
  /** From Content-MD5, in base64. */
  readonly md5: string | undefined
  /** From x-amz-content-sha256, in hex, when the signature covers the body. */
  readonly payloadHash: string | undefined
}

export interface Digest {
  readonly sizeBytes: number
  readonly md5Hex: string
  readonly sha256Hex: string
  readonly checksums: Required<Checksums>
}

/** Hashes bytes as they pass. */
export class Digester {
  readonly #md5 = createHash('md5')
  readonly #sha1 = createHash('sha1')
  readonly #sha256 = createHash('sha256')
  #crc32 = 0
  #sizeBytes = 0

  update(chunk: Uint8Array): void {
    this.#md5.update(chunk)
    this.#sha1.update(chunk)
    this.#sha256.update(chunk)
    this.#crc32 = crc32(chunk, this.#crc32)
    this.#sizeBytes += chunk.length
  }

  finish(): Digest {
    const sha256 = this.#sha256.digest()
    const crc = Buffer.alloc(4)
    crc.writeUInt32BE(this.#crc32)
    return {
      sizeBytes: this.#sizeBytes,
      md5Hex: this.#md5.digest('hex'),
      sha256Hex: sha256.toString('hex'),
      checksums: {
        sha256: sha256.toString('base64'),
        sha1: this.#sha1.digest('base64'),
        crc32: crc.toString('base64'),
      },
    }
  }
}

/** As the headers in which S3 sends them. */
export function checksumsAsHeaders(checksums: Checksums): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const algorithm of checksumAlgorithms) {
    const value = checksums[algorithm]
    if (value !== undefined) headers[`x-amz-checksum-${algorithm}`] = value
  }
  return headers
}

/** Reads the promises from headers. Throws NotImplemented for one that could not be checked. */
export function readPromised(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  payloadHash: string,
): Promised {
  const checksums: Partial<Record<ChecksumAlgorithm, string>> = {}
  const other = ['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type']
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('x-amz-checksum-') || other.includes(name)) continue
    const algorithm = checksumAlgorithms.find(known => name === `x-amz-checksum-${known}`)
    if (algorithm === undefined || typeof value !== 'string') {
      throw new S3Error('NotImplemented', `${name} cannot be checked here.`)
    }
    checksums[algorithm] = value
  }
  const md5 = headers['content-md5']
  return {
    checksums,
    md5: typeof md5 === 'string' ? md5 : undefined,
    payloadHash: /^[0-9a-f]{64}$/.test(payloadHash) ? payloadHash : undefined,
  }
}

/** Throws BadDigest, or XAmzContentSHA256Mismatch, when the bytes are not those that were meant. */
export function requirePromised(promised: Promised, digest: Digest): void {
  if (promised.payloadHash !== undefined && promised.payloadHash !== digest.sha256Hex) {
    throw new S3Error(
      'XAmzContentSHA256Mismatch',
      'The provided x-amz-content-sha256 header does not match what was computed.',
    )
  }
  const md5 = Buffer.from(digest.md5Hex, 'hex').toString('base64')
  if (promised.md5 !== undefined && promised.md5 !== md5) {
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.')
  }
  for (const algorithm of checksumAlgorithms) {
    const wanted = promised.checksums[algorithm]
    if (wanted === undefined || wanted === digest.checksums[algorithm]) continue
    throw new S3Error(
      'BadDigest',
      `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
    )
  }
}
