/** A binary glTF with this JSON chunk. */
export function glb(json: string | object): Uint8Array {
  const text = typeof json === 'string' ? json : JSON.stringify(json)
  const chunk = Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4))
  const header = Buffer.alloc(20)
  header.write('glTF', 0, 'latin1')
  header.writeUInt32LE(2, 4)
  header.writeUInt32LE(20 + chunk.length, 8)
  header.writeUInt32LE(chunk.length, 12)
  header.write('JSON', 16, 'latin1')
  return Buffer.concat([header, chunk])
}

export const ply = Buffer.from(
  'ply\nformat binary_little_endian 1.0\nelement vertex 0\nproperty float x\nend_header\n',
)
