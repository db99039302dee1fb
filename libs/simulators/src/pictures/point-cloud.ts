import { type Picture, readPixels } from './picture.ts'

/** One point for each pixel of a grid, in the camera's frame: x right, y down, z away. */
export interface PointGrid {
  readonly width: number
  readonly height: number
  /** x, y and z of each point, row by row. */
  readonly positions: Float32Array
  /** How far to trust each point; at and below lowConfidence there is nothing. */
  readonly confidences: Float32Array
  readonly depths: Float32Array
  /** Red, green and blue of each point. */
  readonly colours: Uint8Array
}

const lowConfidence = 0.1
const focalLength = 1.2
const nearestDepth = 1
const depthRange = 0.6

/**
 * Stands every pixel in space, the brighter the nearer; transparent ones get no confidence.
 * The grid has at most sideMax by sideMax points.
 */
export async function liftPixels(picture: Picture, sideMax: number): Promise<PointGrid> {
  const { data, width, height } = await readPixels(picture, sideMax)
  const count = width * height
  const grid = {
    width,
    height,
    positions: new Float32Array(count * 3),
    confidences: new Float32Array(count),
    depths: new Float32Array(count),
    colours: new Uint8Array(count * 3),
  }
  const scale = 1 / (focalLength * Math.max(width, height))
  for (let at = 0; at < count; at++) {
    const [red = 0, green = 0, blue = 0, alpha = 0] = data.subarray(at * 4, at * 4 + 4)
    const luminance = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255
    const depth = nearestDepth + (1 - luminance) * depthRange
    const x = (at % width) - width / 2
    const y = Math.floor(at / width) - height / 2
    grid.depths[at] = depth
    grid.positions.set([x * scale * depth, y * scale * depth, depth], at * 3)
    grid.confidences[at] = lowConfidence + (alpha / 255) * (1 + luminance)
    grid.colours.set([red, green, blue], at * 3)
  }
  return grid
}

const vertexBytes = 15

/**
 * The trusted points as a binary PLY with position and colour. Viewers have y up and look along
 * -z, so both are turned round.
 */
export function writePly(grids: readonly PointGrid[]): Buffer {
  const chosen = grids.flatMap(grid => trustedPointsOf(grid).map(at => ({ grid, at })))
  const header =
    'ply\nformat binary_little_endian 1.0\ncomment FunMagic provider simulator\n' +
    `element vertex ${chosen.length}\n` +
    'property float x\nproperty float y\nproperty float z\n' +
    'property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n'
  const body = Buffer.alloc(chosen.length * vertexBytes)
  for (const [index, { grid, at }] of chosen.entries()) {
    const offset = index * vertexBytes
    body.writeFloatLE(grid.positions[at * 3] ?? 0, offset)
    body.writeFloatLE(-(grid.positions[at * 3 + 1] ?? 0), offset + 4)
    body.writeFloatLE(-(grid.positions[at * 3 + 2] ?? 0), offset + 8)
    body.set(grid.colours.subarray(at * 3, at * 3 + 3), offset + 12)
  }
  return Buffer.concat([Buffer.from(header, 'ascii'), body])
}

function trustedPointsOf(grid: PointGrid): number[] {
  const points: number[] = []
  for (let at = 0; at < grid.confidences.length; at++) {
    if ((grid.confidences[at] ?? 0) > lowConfidence + 0.05) points.push(at)
  }
  return points
}
