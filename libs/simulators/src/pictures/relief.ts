import type { PointGrid } from './point-cloud.ts'

const glbMagic = 0x46546c67
const jsonChunk = 0x4e4f534a
const binaryChunk = 0x004e4942
const float = 5126
const unsignedByte = 5121
const unsignedShort = 5123
const arrayBuffer = 34962
const elementBuffer = 34963

/**
 * The grid as a relief: a mesh of triangles with a colour at each vertex, in one binary glTF 2.0
 * file. The grid may have 65,535 points, as many as indices of sixteen bits reach.
 */
export function writeGlb(grid: PointGrid): Buffer {
  const positions = positionsOf(grid)
  const colours = coloursOf(grid)
  const indices = indicesOf(grid)
  const views = [
    { bytes: Buffer.from(positions.buffer), target: arrayBuffer },
    { bytes: colours, target: arrayBuffer },
    { bytes: Buffer.from(indices.buffer), target: elementBuffer },
  ]
  const binary = Buffer.concat(views.map(({ bytes }) => pad(bytes, 0)))
  let byteOffset = 0
  const bufferViews = views.map(({ bytes, target }) => {
    const view = { buffer: 0, byteOffset, byteLength: bytes.length, target }
    byteOffset += Math.ceil(bytes.length / 4) * 4
    return view
  })
  const count = grid.width * grid.height
  const gltf = {
    asset: { version: '2.0', generator: 'FunMagic provider simulator' },
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ mesh: 0, name: 'relief' }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0, COLOR_0: 1 }, indices: 2 }] }],
    accessors: [
      { bufferView: 0, componentType: float, count, type: 'VEC3', ...boundsOf(positions) },
      { bufferView: 1, componentType: unsignedByte, normalized: true, count, type: 'VEC4' },
      { bufferView: 2, componentType: unsignedShort, count: indices.length, type: 'SCALAR' },
    ],
    bufferViews,
    buffers: [{ byteLength: binary.length }],
  }
  return assemble(pad(Buffer.from(JSON.stringify(gltf)), 0x20), binary)
}

/** glTF has y up and looks along -z. */
function positionsOf({ positions }: PointGrid): Float32Array {
  return positions.map((value, index) => (index % 3 === 0 ? value : -value))
}

function coloursOf({ colours, width, height }: PointGrid): Buffer {
  const padded = Buffer.alloc(width * height * 4, 255)
  for (let at = 0; at < width * height; at++) {
    padded.set(colours.subarray(at * 3, at * 3 + 3), at * 4)
  }
  return padded
}

/** Two triangles between each four neighbours. */
function indicesOf({ width, height }: PointGrid): Uint16Array {
  const indices = new Uint16Array((width - 1) * (height - 1) * 6)
  let next = 0
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const at = y * width + x
      const below = at + width
      indices.set([at, below, at + 1, at + 1, below, below + 1], next)
      next += 6
    }
  }
  return indices
}

function boundsOf(positions: Float32Array): { min: number[]; max: number[] } {
  const min = [Infinity, Infinity, Infinity]
  const max = [-Infinity, -Infinity, -Infinity]
  for (const [index, value] of positions.entries()) {
    const axis = index % 3
    min[axis] = Math.min(min[axis] ?? value, value)
    max[axis] = Math.max(max[axis] ?? value, value)
  }
  return { min, max }
}

function pad(bytes: Buffer, filler: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4, filler)])
}

function assemble(json: Buffer, binary: Buffer): Buffer {
  const head = Buffer.alloc(20)
  head.writeUInt32LE(glbMagic, 0)
  head.writeUInt32LE(2, 4)
  head.writeUInt32LE(head.length + json.length + 8 + binary.length, 8)
  head.writeUInt32LE(json.length, 12)
  head.writeUInt32LE(jsonChunk, 16)
  const binaryHead = Buffer.alloc(8)
  binaryHead.writeUInt32LE(binary.length, 0)
  binaryHead.writeUInt32LE(binaryChunk, 4)
  return Buffer.concat([head, json, binaryHead, binary])
}
