import { paint } from '../pictures/painting.ts'
import { readPicture } from '../pictures/picture.ts'
import { liftPixels, type PointGrid, writePly } from '../pictures/point-cloud.ts'
import type { Workshop } from '../pictures/workshop.ts'
import { deliver, type Product } from './deliveries.ts'
import type { FileStore } from './file-store.ts'
import { readInput } from './inputs.ts'
import type { WorkMode } from './scripts.ts'

export type Input = Readonly<Record<string, unknown>>

interface Run {
  readonly input: Input
  readonly files: FileStore
  readonly workshop: Workshop
  readonly mode: WorkMode
  readonly origin: string
}

export interface Model {
  readonly name: string
  /** Only official models can be run by name; the others need a version (Replicate HTTP API). */
  readonly isOfficial: boolean
  readonly version: string
  /** What is wrong with the input, by Replicate's schema check. */
  faultsOf(input: Input): { type: 'required' | 'invalid_type'; description: string }[]
  run(run: Run): Promise<unknown>
}

const pointsMax = 60_000
const imagesMax = 8

/**
 * vufinder/vggt-1b: from pictures to world points. One JSON file for each picture, and with
 * return_pcd one point cloud of them all.
 */
const vggt: Model = {
  name: 'vufinder/vggt-1b',
  isOfficial: false,
  version: '770898f053ca56571e8a49d71f27fc695b6d203e0691baa30d8fbb6954599f2b',
  faultsOf(input) {
    const images = input['images'] ?? input['inputs']
    if (images === undefined) return [{ type: 'required', description: 'images is required' }]
    const isList = Array.isArray(images) && images.every(image => typeof image === 'string')
    const isFit = isList && images.length > 0 && images.length <= imagesMax
    if (isFit) return []
    return [{ type: 'invalid_type', description: `images must be 1 to ${imagesMax} URIs` }]
  },
  async run({ input, files, workshop, mode, origin }) {
    const uris = imagesOf(input)
    const sideMax = Math.floor(Math.sqrt(pointsMax / uris.length))
    const grids: PointGrid[] = []
    for (const uri of uris) {
      const bytes = await readInput(uri, files)
      const lift = async () => liftPixels(await readPicture(bytes), sideMax)
      grids.push(await workshop(lift))
    }
    const asTensor = input['to_base64'] === true
    const give = (product: Product) =>
      deliver(files, product, { mode, origin, path: '/replicate/delivery' }).url
    const data = grids.map((grid, index) => {
      const bytes = Buffer.from(JSON.stringify(describe(grid, asTensor)))
      return give({ name: `image_${index}.json`, contentType: 'application/json', bytes })
    })
    if (input['return_pcd'] === false) return { data }
    const contentType = 'application/octet-stream'
    const cloud = give({ name: 'point_cloud.ply', contentType, bytes: writePly(grids) })
    return { data, point_cloud: cloud }
  },
}

function imagesOf(input: Input): string[] {
  const images = input['images'] ?? input['inputs']
  return Array.isArray(images) ? images.filter(image => typeof image === 'string') : []
}

function describe(grid: PointGrid, asTensor: boolean): unknown {
  const { width, height } = grid
  const tensor = (values: Float32Array | Uint8Array, ...shape: number[]) => ({
    shape,
    dtype: values instanceof Uint8Array ? 'uint8' : 'float32',
    data: Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64'),
  })
  const render = asTensor ? tensor : nest
  const fieldOfView = 2 * Math.atan(1 / 2.4)
  return {
    world_points: render(grid.positions, height, width, 3),
    world_points_conf: render(grid.confidences, height, width),
    depth: render(grid.depths, height, width),
    image: render(grid.colours, height, width, 3),
    pose_enc: render(Float32Array.of(0, 0, 0, 0, 0, 0, 1, fieldOfView, fieldOfView), 9),
  }
}

/** The values as lists in lists; six digits, so that the file does not outgrow its worth. */
function nest(values: Float32Array | Uint8Array, ...shape: number[]): unknown {
  const [length = 0, ...inner] = shape
  const step = inner.reduce((product, size) => product * size, 1)
  return Array.from({ length }, (_none, index) => {
    if (inner.length === 0) return Number((values[index] ?? 0).toPrecision(6))
    return nest(values.subarray(index * step, (index + 1) * step), ...inner)
  })
}

/** black-forest-labs/flux-schnell: an official model, from a prompt to up to four pictures. */
const fluxSchnell: Model = {
  name: 'black-forest-labs/flux-schnell',
  isOfficial: true,
  version: 'c846a69991daf4c0e5d016514849d14ee5b2e6846ce6b9d6f21369e564cfe51e',
  faultsOf(input) {
    if (typeof input['prompt'] === 'string') return []
    return [{ type: 'required', description: 'prompt is required' }]
  },
  async run({ input, files, workshop, mode, origin }) {
    const count = Math.min(Math.max(Number(input['num_outputs'] ?? 1) || 1, 1), 4)
    const urls: string[] = []
    for (let turn = 0; turn < count; turn++) {
      const picture = paint(`${turn} ${String(input['prompt'])}`, { width: 1024, height: 1024 })
      const bytes = await workshop(() => picture.webp().toBuffer())
      const product = { name: `out-${turn}.webp`, contentType: 'image/webp', bytes }
      urls.push(deliver(files, product, { mode, origin, path: '/replicate/delivery' }).url)
    }
    return urls
  },
}

export const models: readonly Model[] = [vggt, fluxSchnell]
