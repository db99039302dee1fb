import sharp, { type Sharp } from 'sharp'
import { type Canvas, paint } from './painting.ts'
import type { Picture } from './picture.ts'
import { randomFrom } from './random.ts'

const coloursAfter = 24

/**
 * The picture in other colours and broad strokes, by the prompt: still recognisably the input.
 * With a mask only its transparent parts are changed, as OpenAI reads masks.
 */
export async function stylise(
  picture: Picture,
  prompt: string,
  options: Canvas & { mask?: Picture },
): Promise<Sharp> {
  const { width, height } = options
  const cover = { fit: 'cover' } as const
  const original = picture.open().resize(width, height, cover).removeAlpha()
  const hue = 40 + Math.floor(randomFrom(prompt)() * 280)
  const small = await paint(prompt, { width: 96, height: 96 }).blur(3).png().toBuffer()
  const light = await sharp(small).resize(width, height, { fit: 'fill' }).png().toBuffer()
  const strokes = await original
    .clone()
    .median(3)
    .modulate({ hue, saturation: 1.35 })
    .composite([{ input: light, blend: 'soft-light' }])
    .png({ palette: true, colours: coloursAfter, dither: 0 })
    .toBuffer()
  if (options.mask === undefined) return sharp(strokes)

  const mask = await options.mask.open().resize(width, height, cover).ensureAlpha().png().toBuffer()
  const kept = await original
    .ensureAlpha()
    .composite([{ input: mask, blend: 'dest-in' }])
    .png()
    .toBuffer()
  return sharp(strokes).composite([{ input: kept }])
}
