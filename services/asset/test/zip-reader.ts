import { crc32 } from 'node:zlib'

const endLength = 22

/**
 * The files of a ZIP as its own directory has them, in order. Throws when a checksum, a size or a
 * place in it is wrong. For archives below 4 GB whose files are stored as they are.
 */
export function readZip(archive: Buffer): Map<string, Buffer> {
  const end = archive.length - endLength
  if (archive.readUInt32LE(end) !== 0x06054b50) throw new Error('the archive has no end')
  const files = new Map<string, Buffer>()
  let at = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    if (archive.readUInt32LE(at) !== 0x02014b50) throw new Error('the directory is broken')
    const nameLength = archive.readUInt16LE(at + 28)
    const name = archive.subarray(at + 46, at + 46 + nameLength).toString('utf8')
    files.set(name, readFile(archive, at))
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32)
  }
  return files
}

function readFile(archive: Buffer, entry: number): Buffer {
  const [checksum, size] = [archive.readUInt32LE(entry + 16), archive.readUInt32LE(entry + 24)]
  const local = archive.readUInt32LE(entry + 42)
  if (archive.readUInt32LE(local) !== 0x04034b50) throw new Error('a file is not where it is said')
  const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
  const bytes = archive.subarray(start, start + size)
  if (crc32(bytes) !== checksum) throw new Error('a file has other bytes')
  return bytes
}
