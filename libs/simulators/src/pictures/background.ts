import sharp from 'sharp'
import { type Picture, type Pixels, readPixels } from './picture.ts'

/** The mask is found on a small copy, so that the loops below stay short for every picture. */
const workSideMax = 640
/** Euclidean distance in RGB up to which a pixel has the colour of the background. */
const nearDistance = 42
/** A pixel a little further away still counts where it goes over smoothly from its neighbour. */
const farDistance = 96
const smoothDistance = 9
const edgeSigma = 1.1

/**
 * Cuts the subject out: floods from the borders over everything that has the colours of the
 * borders, softens the edge, and gives back a PNG of the same size with the rest transparent.
 */
export async function removeBackground(picture: Picture): Promise<Buffer> {
  const pixels = await readPixels(picture, workSideMax)
  const isBackground = flood(pixels, borderColours(pixels))
  const mask = Buffer.alloc(pixels.width * pixels.height)
  for (let at = 0; at < mask.length; at++) mask[at] = isBackground[at] === 1 ? 0 : 255
  const { width, height } = picture
  const alpha = await sharp(mask, { raw: { ...sizeOf(pixels), channels: 1 } })
    .blur(edgeSigma)
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .extractChannel(0)
    .raw()
    .toBuffer()
  const white = { width, height, channels: 3, background: '#fff' } as const
  const cutter = await sharp({ create: white })
    .joinChannel(alpha, { raw: { width, height, channels: 1 } })
    .raw()
    .toBuffer()
  return picture
    .open()
    .ensureAlpha()
    .composite([{ input: cutter, raw: { width, height, channels: 4 }, blend: 'dest-in' }])
    .png({ compressionLevel: 6 })
    .toBuffer()
}

function sizeOf({ width, height }: Pixels): { width: number; height: number } {
  return { width, height }
}

type Colour = readonly [number, number, number]

/** The colours that make up most of the border: shades of at most six, coarsely rounded. */
function borderColours({ data, width, height }: Pixels): Colour[] {
  const buckets = new Map<number, { count: number; sum: [number, number, number] }>()
  const border = borderOf(width, height)
  for (const at of border) {
    const [red, green, blue] = colourAt(data, at)
    const bucket = ((red >> 5) << 10) | ((green >> 5) << 5) | (blue >> 5)
    const { count, sum } = buckets.get(bucket) ?? { count: 0, sum: [0, 0, 0] }
    buckets.set(bucket, { count: count + 1, sum: [sum[0] + red, sum[1] + green, sum[2] + blue] })
  }
  return [...buckets.values()]
    .filter(bucket => bucket.count > border.length * 0.04)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, 6)
    .map(({ count, sum }) => [sum[0] / count, sum[1] / count, sum[2] / count])
}

function borderOf(width: number, height: number): number[] {
  const border: number[] = []
  for (let x = 0; x < width; x++) border.push(x, (height - 1) * width + x)
  for (let y = 0; y < height; y++) border.push(y * width, y * width + width - 1)
  return border
}

/** Marks with 1 what can be reached from the border; each pixel is entered once. */
function flood({ data, width, height }: Pixels, colours: readonly Colour[]): Uint8Array {
  const marks = new Uint8Array(width * height)
  const queue = new Uint32Array(width * height)
  let tail = 0
  const enter = (at: number, from: number) => {
    if (marks[at] !== 0 || !belongs(data, { at, from, colours })) return
    marks[at] = 1
    queue[tail++] = at
  }
  for (const at of borderOf(width, height)) enter(at, at)
  for (let head = 0; head < tail; head++) {
    const at = queue[head] ?? 0
    const x = at % width
    if (x > 0) enter(at - 1, at)
    if (x < width - 1) enter(at + 1, at)
    if (at >= width) enter(at - width, at)
    if (at < width * (height - 1)) enter(at + width, at)
  }
  return marks
}

function belongs(
  data: Buffer,
  step: { at: number; from: number; colours: readonly Colour[] },
): boolean {
  if ((data[step.at * 4 + 3] ?? 0) < 16) return true
  const colour = colourAt(data, step.at)
  let nearest = Infinity
  for (const known of step.colours) nearest = Math.min(nearest, distance(colour, known))
  if (nearest <= nearDistance) return true
  if (nearest > farDistance || step.at === step.from) return false
  return distance(colour, colourAt(data, step.from)) <= smoothDistance
}

function colourAt(data: Buffer, at: number): Colour {
  return [data[at * 4] ?? 0, data[at * 4 + 1] ?? 0, data[at * 4 + 2] ?? 0]
}

function distance(a: Colour, b: Colour): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])
}
