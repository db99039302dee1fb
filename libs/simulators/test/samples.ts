import sharp from 'sharp'

export const sampleSize = { width: 640, height: 480 }

/** A red disc on a pale ground that grows darker downwards: a subject and a background. */
export async function samplePhoto(): Promise<Buffer> {
  const { width, height } = sampleSize
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    '<defs><linearGradient id="g" x2="0" y2="1"><stop offset="0" stop-color="#e4ebf1"/>' +
    '<stop offset="1" stop-color="#b9c6d2"/></linearGradient></defs>' +
    '<rect width="100%" height="100%" fill="url(#g)"/>' +
    '<circle cx="320" cy="240" r="150" fill="#c4452d"/></svg>'
  return sharp(Buffer.from(svg)).jpeg({ quality: 88 }).toBuffer()
}

/** Red, green, blue and alpha at a place. */
export async function pixelAt(bytes: Buffer, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(bytes)
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const at = (y * info.width + x) * 4
  return [...data.subarray(at, at + 4)]
}

export async function download(url: string): Promise<{ type: string | null; bytes: Buffer }> {
  const reply = await fetch(url)
  if (!reply.ok) throw new Error(`${url} answered ${reply.status}`)
  const bytes = Buffer.from(await reply.arrayBuffer())
  return { type: reply.headers.get('content-type'), bytes }
}
