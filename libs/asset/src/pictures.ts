import sharp, { type Metadata, type Sharp, type SharpOptions } from 'sharp'
import { rgbaToThumbHash } from 'thumbhash'
import type { UploadMimeType } from '@funmagic/contract/asset'
import { AppError } from '@funmagic/contract/problem'
import { derivativePresets, type DerivativePreset } from './asset.ts'
import { sniffMimeType } from './media-types.ts'

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

const decodeTimeoutSeconds = 20

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

/**
 * Decodes a picture and encodes it anew in the same type: only its pixels remain. Position, camera
 * and profile data go, and so does whatever a second format hid before, between or behind the
 * pixels. The picture is turned upright first, because the note that says how goes too. An
 * animation is reduced to its first frame. Throws as inspectPicture does.
 */
export async function cleanPicture(
  bytes: Uint8Array,
  mimeType: UploadMimeType,
): Promise<Uint8Array> {
  await inspectPicture(bytes, mimeType)
  const upright = openPicture(bytes).autoOrient().timeout({ seconds: decodeTimeoutSeconds })
  return orProblem(encode(upright, mimeType).toBuffer())
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
 * inspectPicture does.
 */
export async function shrinkPicture(
  bytes: Uint8Array,
  mimeType: UploadMimeType,
): Promise<SmallerPictures> {
  await inspectPicture(bytes, mimeType)
  const upright = openPicture(bytes).autoOrient().timeout({ seconds: decodeTimeoutSeconds })
  const largest = await orProblem(toPixels(upright, Math.max(...Object.values(presetSidesPx))))
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
  readonly info: { readonly width: number; readonly height: number }
}

/** Four bytes a pixel, whatever the picture was in. */
function toPixels(picture: Sharp, sidePx: number): Promise<Pixels> {
  return within(picture, sidePx)
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
}

function fromPixels({ data, info }: Pixels): Sharp {
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 4 } })
}

function within(picture: Sharp, sidePx: number): Sharp {
  return picture.resize(sidePx, sidePx, { fit: 'inside', withoutEnlargement: true })
}

function encode(picture: Sharp, mimeType: UploadMimeType): Sharp {
  switch (mimeType) {
    case 'image/jpeg':
      return picture.jpeg({ quality: 90 })
    case 'image/png':
      return picture.png()
    case 'image/webp':
      return picture.webp({ quality: 90, effort: 2 })
    case 'image/gif':
      return picture.gif()
  }
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

/** sharp has one class of error; its message tells a picture that is too much from a broken one. */
async function orProblem<Result>(reading: Promise<Result>): Promise<Result> {
  try {
    return await reading
  } catch (cause) {
    const isTooMuch = cause instanceof Error && /pixel limit|^timeout/.test(cause.message)
    throw new AppError(isTooMuch ? 'IMAGE_TOO_LARGE' : 'IMAGE_INVALID', { cause })
  }
}
