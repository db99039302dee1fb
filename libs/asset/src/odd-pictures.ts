// Pictures that lie about themselves, for the tests of whoever takes pictures in.

import { deflateSync } from 'node:zlib'

/** A PNG whose header claims a size and whose pixels are whatever is given. */
export function claimPng(width: number, height: number, pixels = Buffer.alloc(64)): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(pixels)),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, checksum])
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** A GIF of one pixel that claims this many frames, at 8 bytes a frame. */
export function claimGif(frames: number): Uint8Array {
  const header = Buffer.from('GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00', 'latin1')
  const frame = Buffer.from(
    '\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00',
    'latin1',
  )
  const control = Buffer.from('\x21\xf9\x04\x00\x0a\x00\x00\x00', 'latin1')
  const image = Buffer.concat([control, frame])
  return Buffer.concat([header, ...Array.from({ length: frames }, () => image), Buffer.from(';')])
}
