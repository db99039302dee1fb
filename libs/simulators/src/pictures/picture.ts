import sharp, { type Sharp } from 'sharp'

/** Larger pictures are refused, as providers refuse them. */
const pixelsMax = 25_000_000

type PictureFault = 'unreadable' | 'too-large'

/** The bytes are not a picture that can be worked on. */
export class PictureError extends Error {
  readonly fault: PictureFault

  constructor(fault: PictureFault, cause?: unknown) {
    super(fault === 'too-large' ? 'The picture is too large' : 'The picture cannot be read', {
      cause,
    })
    this.fault = fault
  }
}

export interface Picture {
  /** Opens the pixels, upright. */
  open(): Sharp
  readonly width: number
  readonly height: number
}

/** Reads the head of a picture; throws PictureError when it is none or has too many pixels. */
export async function readPicture(bytes: Buffer): Promise<Picture> {
  const metadata = await sharp(bytes)
    .metadata()
    .catch((cause: unknown) => {
      throw new PictureError('unreadable', cause)
    })
  const { width, height } = metadata.autoOrient
  if (width * height > pixelsMax) throw new PictureError('too-large')
  return {
    width,
    height,
    open: () => sharp(bytes, { limitInputPixels: pixelsMax }).autoOrient(),
  }
}

export interface Pixels {
  readonly data: Buffer
  readonly width: number
  readonly height: number
}

/** Red, green, blue and alpha of every pixel, scaled down to fit into a square of this side. */
export async function readPixels(picture: Picture, sideMax: number): Promise<Pixels> {
  const { data, info } = await picture
    .open()
    .toColourspace('srgb')
    .resize(sideMax, sideMax, { fit: 'inside', withoutEnlargement: true })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw new PictureError('unreadable', cause)
    })
  return { data, width: info.width, height: info.height }
}
