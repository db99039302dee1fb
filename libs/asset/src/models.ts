import type { OutputMimeType } from '@funmagic/contract/asset'
import { AppError } from '@funmagic/contract/problem'

const glbHeaderBytes = 12
const glbChunkHeaderBytes = 8
const glbVersion = 2
const jsonChunkType = 0x4e4f534a
const jsonBytesMax = 8 * 1024 * 1024
const plyHeaderBytesMax = 64 * 1024

/**
 * Checks the frame of a 3-D model: its own length, and that it draws nothing from elsewhere
 * (reliability 1.8). Throws TYPE_MISMATCH.
 */
export function checkModel(bytes: Uint8Array, mimeType: OutputMimeType): void {
  const isSound = mimeType === 'model/gltf-binary' ? isSoundGlb(bytes) : isSoundPly(bytes)
  if (!isSound) throw new AppError('TYPE_MISMATCH')
}

/** glTF 2.0 §4.4: a header of 12 bytes, then a chunk of JSON. */
function isSoundGlb(bytes: Uint8Array): boolean {
  if (bytes.length < glbHeaderBytes + glbChunkHeaderBytes) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(4, true) !== glbVersion) return false
  if (view.getUint32(8, true) !== bytes.length) return false
  const jsonBytes = view.getUint32(glbHeaderBytes, true)
  if (view.getUint32(glbHeaderBytes + 4, true) !== jsonChunkType) return false
  const start = glbHeaderBytes + glbChunkHeaderBytes
  if (jsonBytes > jsonBytesMax || start + jsonBytes > bytes.length) return false
  const gltf = parseJson(bytes.subarray(start, start + jsonBytes))
  return gltf !== undefined && !['buffers', 'images'].some(list => refersOutside(gltf, list))
}

function parseJson(bytes: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    // Not JSON: the caller names the problem.
    return undefined
  }
}

/** A viewer would fetch such an address from the browser of whoever looks at the model. */
function refersOutside(gltf: object, listName: string): boolean {
  const list: unknown = Reflect.get(gltf, listName)
  if (list === undefined) return false
  if (!Array.isArray(list)) return true
  return list.some((item: unknown) => {
    if (typeof item !== 'object' || item === null) return true
    const uri: unknown = Reflect.get(item, 'uri')
    return uri !== undefined && !(typeof uri === 'string' && uri.startsWith('data:'))
  })
}

function isSoundPly(bytes: Uint8Array): boolean {
  const header = Buffer.from(bytes.subarray(0, plyHeaderBytesMax)).toString('latin1')
  return /^ply\r?\nformat (ascii|binary_(little|big)_endian) 1\.0\r?\n[^]*?end_header\r?\n/.test(
    header,
  )
}
