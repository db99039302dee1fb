import sharp, { type Channels, type Metadata, type Sharp, type SharpOptions } from 'sharp'
import { rgbaToThumbHash } from 'thumbhash'
import type { UploadMimeType } from '@funmagic/contract/asset'
import { AppError } from '@funmagic/contract/problem'
import { derivativePresets, type DerivativePreset } from './asset.ts'
import { sniffMimeType } from './media-types.ts'
import { yieldPool } from './pool-priority.ts'

/** What a picture may be, checked in its header before a pixel is decoded (reliability 1.8). */
export const pictureLimits = {
  pixelsMax: 40_000_000,
  sideMaxPx: 16_383,
  ratioMax: 100,
  framesMax: 500,
  framePixelsMax: 80_000_000,
} as const

interface PictureFacts {
  readonly width: number
  readonly height: number
}

/**
 * For each of the steps, none of which takes a quarter of it. One that does take so long is not the
 * picture's fault, which the limits above keep in bounds, but that of a machine with much to do.
 */
const decodeSecondsMax = 30
const retryAfterSeconds = 10

/**
 * Reads the header of a picture. Throws TYPE_MISMATCH when the bytes are of another type,
 * IMAGE_TOO_LARGE beyond pictureLimits, and IMAGE_INVALID when there is no telling.
 */
export async function inspectPicture(
  bytes: Uint8Array,
  mimeType: UploadMimeType,
): Promise<PictureFacts> {
  if (sniffMimeType(bytes) !== mimeType) throw new AppError('TYPE_MISMATCH')
  const metadata = await orProblem(openPicture(bytes).metadata())
  if (`image/${metadata.format}` !== mimeType) throw new AppError('TYPE_MISMATCH')
  refuseTooLarge(metadata)
  // Width and height as seen: a camera that was turned says so in the header.
  return { width: metadata.autoOrient.width, height: metadata.autoOrient.height }
}

/** What is kept of a picture that came in. */
export interface DigestedPicture {
  readonly clean: Uint8Array
  readonly smaller: SmallerPictures
}

/**
 * Decodes a picture and encodes it anew in the same type: only its pixels remain. Position, camera
 * and profile data go, and so does whatever a second format hid before, between or behind the
 * pixels. The picture is turned upright first, because the note that says how goes too. An
 * animation is reduced to its first frame. The smaller pictures are made of the same pixels. Throws
 * as inspectPicture does, and OVERLOADED when the machine is too busy to decode it in time.
 */
export async function digestPicture(
  bytes: Uint8Array,
  mimeType: UploadMimeType,
  secondsMax: number = decodeSecondsMax,
): Promise<DigestedPicture> {
  await inspectPicture(bytes, mimeType)
  await yieldPool()
  const { clean, source } = await orProblem(reencode(bytes, mimeType, secondsMax))
  return { clean, smaller: await shrink(source()) }
}

interface Reencoded {
  readonly clean: Buffer
  /** What smaller pictures are made of, without decoding the large one again. */
  readonly source: () => Sharp
}

/**
 * A JPEG is never held whole: it is encoded while it is decoded, and what comes out is cheap to
 * decode at an eighth of its size. Other types cannot be decoded small, so their pixels are kept
 * until everything is made of them.
 */
async function reencode(
  bytes: Uint8Array,
  mimeType: UploadMimeType,
  secondsMax: number,
): Promise<Reencoded> {
  const picture = upright(bytes, secondsMax)
  if (mimeType === 'image/jpeg') {
    const clean = await picture.jpeg({ quality: 90 }).toBuffer()
    return { clean, source: () => upright(clean, secondsMax) }
  }
  const pixels = await picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  const source = () => fromPixels(pixels).timeout({ seconds: secondsMax })
  return { clean: await encode(source, mimeType, pixels.info), source }
}

async function encode(
  source: () => Sharp,
  mimeType: Exclude<UploadMimeType, 'image/jpeg'>,
  { width, height }: Pixels['info'],
): Promise<Buffer> {
  switch (mimeType) {
    case 'image/png':
      return source().png().toBuffer()
    case 'image/webp':
      return width * height > photoPixels
        ? encodeLargeWebp(source)
        : source().webp({ quality: 90, effort: 2 }).toBuffer()
    case 'image/gif':
      // It has no more colours than a palette holds, so there is nothing to blend.
      return source().gif({ dither: 0 }).toBuffer()
  }
}

/** Of a usual photo; WebP takes five times as long as JPEG, so larger ones get less of it. */
const photoPixels = 12_500_000

/**
 * The quickest way has no room for the modes of some large pictures, such as enlarged pixel art
 * (libwebp, "partition #0 is too big"); those are cheap in the next one.
 */
async function encodeLargeWebp(source: () => Sharp): Promise<Buffer> {
  const quality = 80
  try {
    return await source().webp({ quality, effort: 0 }).toBuffer()
  } catch (error) {
    if (!(error instanceof Error && /unable to encode/.test(error.message))) throw error
    return source().webp({ quality, effort: 2 }).toBuffer()
  }
}

/** The longest side of each preset, in pixels; a smaller picture is not made larger (A12). */
const presetSidesPx: Readonly<Record<DerivativePreset, number>> = { thumb: 256, card: 640 }
/** ThumbHash takes no more. */
const hashSidePx = 100

export interface SmallerPictures {
  /** WebP, without metadata. */
  readonly pictures: ReadonlyMap<DerivativePreset, Uint8Array>
  /** Base64. */
  readonly thumbhash: string
}

/**
 * The presets of a picture and its thumbhash. It is decoded once, at the size of the largest
 * preset where its format allows that, and the smaller ones are made of that. Throws as
 * digestPicture does.
 */
export async function shrinkPicture(
  bytes: Uint8Array,
  mimeType: UploadMimeType,
): Promise<SmallerPictures> {
  await inspectPicture(bytes, mimeType)
  await yieldPool()
  return shrink(upright(bytes, decodeSecondsMax))
}

async function shrink(picture: Sharp): Promise<SmallerPictures> {
  const largest = await orProblem(toPixels(picture, Math.max(...Object.values(presetSidesPx))))
  const pictures = new Map<DerivativePreset, Uint8Array>()
  for (const preset of derivativePresets) {
    const smaller = within(fromPixels(largest), presetSidesPx[preset])
    pictures.set(preset, await orProblem(smaller.webp({ quality: 80, effort: 3 }).toBuffer()))
  }
  const { data, info } = await orProblem(toPixels(fromPixels(largest), hashSidePx))
  const hash = rgbaToThumbHash(info.width, info.height, data)
  return { pictures, thumbhash: Buffer.from(hash).toString('base64') }
}

interface Pixels {
  readonly data: Buffer
  readonly info: { readonly width: number; readonly height: number; readonly channels: Channels }
}

/** Four bytes a pixel, whatever the picture was in. */
function toPixels(picture: Sharp, sidePx: number): Promise<Pixels> {
  return within(picture, sidePx)
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
}

function fromPixels({ data, info: { width, height, channels } }: Pixels): Sharp {
  return sharp(data, { raw: { width, height, channels } })
}

function upright(bytes: Uint8Array, secondsMax: number): Sharp {
  return openPicture(bytes).autoOrient().timeout({ seconds: secondsMax })
}

function within(picture: Sharp, sidePx: number): Sharp {
  return picture.resize(sidePx, sidePx, { fit: 'inside', withoutEnlargement: true })
}

const openOptions: SharpOptions = {
  failOn: 'warning',
  limitInputPixels: pictureLimits.pixelsMax,
  limitInputChannels: 5,
}

let isGuarded = false

/**
 * Of libvips' many readers only four may run in this process, and those only on bytes in memory
 * (sharp, "block"). It is set at the first use, because importing a module must do nothing.
 */
function openPicture(bytes: Uint8Array): Sharp {
  if (!isGuarded) {
    sharp.block({ operation: ['VipsForeignLoad'] })
    sharp.unblock({
      operation: ['Jpeg', 'Png', 'Webp', 'Nsgif'].map(name => `VipsForeignLoad${name}Buffer`),
    })
    // Pictures come once: what libvips would keep of them is memory that nobody gives back.
    sharp.cache(false)
    sharp.concurrency(1)
    isGuarded = true
  }
  return sharp(bytes, openOptions)
}

function refuseTooLarge({ width, height, pages = 1 }: Metadata): void {
  if (width < 1 || height < 1) throw new AppError('IMAGE_INVALID')
  const longer = Math.max(width, height)
  const isTooLarge =
    width * height > pictureLimits.pixelsMax ||
    longer > pictureLimits.sideMaxPx ||
    longer > Math.min(width, height) * pictureLimits.ratioMax ||
    pages > pictureLimits.framesMax ||
    pages * width * height > pictureLimits.framePixelsMax
  if (isTooLarge) throw new AppError('IMAGE_TOO_LARGE', { details: { ...pictureLimits } })
}

/** sharp has one class of error; its message tells what is too much, too slow or broken. */
async function orProblem<Result>(reading: Promise<Result>): Promise<Result> {
  try {
    return await reading
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : ''
    if (message.startsWith('timeout'))
      throw new AppError('OVERLOADED', { cause, retryAfterSeconds })
    const isTooMuch = /pixel limit|unable to encode/.test(message)
    throw new AppError(isTooMuch ? 'IMAGE_TOO_LARGE' : 'IMAGE_INVALID', { cause })
  }
}
