import { randomBytes } from 'node:crypto'
import sharp from 'sharp'
import t from 'tap'
import { uploadMimeTypes, type UploadMimeType } from '@funmagic/contract/asset'
import { digestPicture, inspectPicture } from '../src/pictures.ts'
import { paint } from '../src/testing.ts'
import { claimGif, claimPng } from '../src/odd-pictures.ts'

/** Even where many others want the cores. */
const patientSeconds = 1_000

async function cleanPicture(bytes: Uint8Array, mimeType: UploadMimeType): Promise<Uint8Array> {
  return (await digestPicture(bytes, mimeType)).clean
}

t.test('a picture of each accepted type keeps its type and its size', async t => {
  for (const mimeType of uploadMimeTypes) {
    const clean = await cleanPicture(await paint(mimeType), mimeType)

    t.same(await inspectPicture(clean, mimeType), { width: 32, height: 16 }, mimeType)
  }
})

t.test('a turned photo is stored upright, without its position and camera', async t => {
  const photo = await sharp(await paint('image/jpeg', { width: 40, height: 20 }))
    .withExif({
      IFD0: { Make: 'SecretCam', Copyright: 'me' },
      IFD3: { GPSLatitude: '52/1 31/1 0/1' },
    })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer()
  t.match(await sharp(photo).metadata(), { orientation: 6, width: 40, exif: Buffer })

  const clean = await cleanPicture(photo, 'image/jpeg')

  t.same(await inspectPicture(photo, 'image/jpeg'), { width: 20, height: 40 }, 'as it is seen')
  const metadata = await sharp(clean).metadata()
  t.same({ width: metadata.width, height: metadata.height }, { width: 20, height: 40 })
  t.same([metadata.exif, metadata.orientation, metadata.icc], [undefined, undefined, undefined])
  t.notOk(Buffer.from(clean).includes('SecretCam'))
})

t.test('what a second format hides behind the pixels is gone', async t => {
  const tail = '<script>alert(1)</script><?php system($_GET[0]) ?>PK\x03\x04'
  for (const mimeType of uploadMimeTypes) {
    const polyglot = Buffer.concat([await paint(mimeType), Buffer.from(tail)])

    const clean = await cleanPicture(polyglot, mimeType)

    t.notOk(Buffer.from(clean).includes('script'), mimeType)
  }
})

t.test('an animation is reduced to its first frame', async t => {
  const clean = await cleanPicture(claimGif(3), 'image/gif')

  t.equal((await sharp(claimGif(3)).metadata()).pages, 3)
  t.equal((await sharp(clean).metadata()).pages, 1)
})

t.test('a picture beyond the limits is refused by its header', async t => {
  const cases = {
    'as large as a header can claim': [claimPng(65_535, 65_535), 'image/png'],
    'more than 40 million pixels': [claimPng(8_000, 5_001), 'image/png'],
    'a line': [claimPng(1_000_000, 1), 'image/png'],
    'a hundred and one to one': [claimPng(101, 1), 'image/png'],
    'longer than a WebP can be': [claimPng(16_384, 1_000), 'image/png'],
    'too many frames': [claimGif(20_000), 'image/gif'],
  } as const
  const rssBefore = process.memoryUsage().rss

  for (const [name, [bytes, mimeType]] of Object.entries(cases)) {
    await t.rejects(cleanPicture(bytes, mimeType), { code: 'IMAGE_TOO_LARGE' }, name)
  }

  t.ok(process.memoryUsage().rss - rssBefore < 64 * 1024 * 1024, 'in little memory')
})

t.test('bytes that are no picture of the declared type are refused', async t => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
  const tiff = await sharp(await paint('image/png'))
    .tiff()
    .toBuffer()
  const avif = await sharp(await paint('image/png'))
    .avif()
    .toBuffer()
  const cases = {
    'another picture': await paint('image/webp'),
    svg: Buffer.from(svg),
    html: Buffer.from('<!doctype html><img src=x onerror=alert(1)>'),
    pdf: Buffer.from('%PDF-1.7\n'),
    tiff,
    avif,
    nothing: Buffer.alloc(0),
    'one byte': Buffer.from('\x89'),
  }

  for (const [name, bytes] of Object.entries(cases)) {
    await t.rejects(cleanPicture(bytes, 'image/png'), { code: 'TYPE_MISMATCH' }, name)
  }
})

t.test('a picture that cannot be decoded to its end is refused', async t => {
  const png = Buffer.from(await paint('image/png', { width: 300, height: 300 }))
  const flipped = Buffer.from(png)
  flipped.writeUInt8(flipped.readUInt8(60) ^ 0xff, 60)
  const jpeg = await paint('image/jpeg', { width: 300, height: 300 })
  const cases = {
    'cut off': [png.subarray(0, 200), 'image/png'],
    'a bit flipped': [flipped, 'image/png'],
    'only a signature': [png.subarray(0, 8), 'image/png'],
    'no width': [claimPng(0, 10), 'image/png'],
    'too few pixels': [claimPng(1_000, 1_000), 'image/png'],
    'a jpeg cut off': [jpeg.subarray(0, jpeg.length / 2), 'image/jpeg'],
    'a jpeg of markers': [Buffer.from('\xff\xd8\xff\xe0\x00\x10JFIF', 'latin1'), 'image/jpeg'],
    'a webp of noise': [Buffer.from('RIFF\xff\xff\xff\xffWEBPVP8X1234567890'), 'image/webp'],
    'a gif without a frame': [Buffer.from('GIF89a\x01\x00\x01\x00\x00\x00\x00;'), 'image/gif'],
  } as const

  for (const [name, [bytes, mimeType]] of Object.entries(cases)) {
    await t.rejects(cleanPicture(bytes, mimeType), { code: /IMAGE_INVALID|TYPE_MISMATCH/ }, name)
  }
})

t.test('print colours and deep pixels are accepted and come out as plain ones', async t => {
  const base = sharp(await paint('image/png'))
  const cmyk = await base.clone().toColourspace('cmyk').jpeg().toBuffer()
  const deep = await base.clone().toColourspace('rgb16').png().toBuffer()

  const plain = await sharp(await cleanPicture(cmyk, 'image/jpeg')).metadata()
  const shallow = await sharp(await cleanPicture(deep, 'image/png')).metadata()

  t.same([plain.space, shallow.depth], ['srgb', 'uchar'])
})

t.test('types that lose nothing come out to the pixel, in grey, with gaps and deep', async t => {
  const size = { width: 61, height: 47 }
  const colours = sharp(randomBytes(size.width * size.height * 4), {
    raw: { ...size, channels: 4 },
  })
  const grey = colours.clone().removeAlpha().toColourspace('b-w')
  const cases = {
    'with gaps': [await colours.clone().png().toBuffer(), 'image/png'],
    grey: [await grey.clone().png().toBuffer(), 'image/png'],
    'a palette': [
      await colours.clone().png({ palette: true, colours: 200 }).toBuffer(),
      'image/png',
    ],
    interlaced: [await colours.clone().png({ progressive: true }).toBuffer(), 'image/png'],
    'a gif': [await colours.clone().gif().toBuffer(), 'image/gif'],
    'a grey gif': [await grey.clone().gif({ dither: 0 }).toBuffer(), 'image/gif'],
  } as const

  for (const [name, [bytes, mimeType]] of Object.entries(cases)) {
    const clean = await cleanPicture(bytes, mimeType)

    t.ok((await pixelsOf(clean)).equals(await pixelsOf(bytes)), name)
  }
})

t.test('a photo and its smaller pictures stay close to what was sent', async t => {
  const size = { width: 900, height: 600 }
  for (const mimeType of ['image/jpeg', 'image/webp'] as const) {
    const small = sharp(randomBytes(9 * 6 * 3), { raw: { width: 9, height: 6, channels: 3 } })
    const scene = await small.resize(900, 600, { kernel: 'cubic' }).png().toBuffer()
    const photo = await sharp(scene)
      .toFormat(mimeType === 'image/jpeg' ? 'jpeg' : 'webp')
      .toBuffer()

    const { clean, smaller } = await digestPicture(photo, mimeType)

    const shown = [clean, ...smaller.pictures.values()]
    for (const bytes of shown) t.ok((await distance(bytes, scene, size)) < 6, mimeType)
  }
})

t.test('enlarged pixel art, for which the quick way of WebP has no room, is kept', async t => {
  const [width, height, side] = [4_800, 3_600, 4] as const
  const art = sharp(randomBytes((width / side) * (height / side)), {
    raw: { width: width / side, height: height / side, channels: 1 },
  })
  const bytes = await art
    .resize(width, height, { kernel: 'nearest' })
    .webp({ lossless: true, effort: 0 })
    .toBuffer()

  const { clean, smaller } = await digestPicture(bytes, 'image/webp', patientSeconds)

  t.same(await inspectPicture(clean, 'image/webp'), { width, height })
  t.equal(smaller.pictures.size, 2)
})

function pixelsOf(bytes: Uint8Array): Promise<Buffer> {
  return sharp(bytes).toColourspace('srgb').ensureAlpha().raw({ depth: 'uchar' }).toBuffer()
}

/** How far two pictures are from each other at the size of the second, of 255. */
async function distance(
  one: Uint8Array,
  other: Uint8Array,
  { width, height }: { width: number; height: number },
): Promise<number> {
  const enlarged = await sharp(one).resize(width, height, { fit: 'fill' }).png().toBuffer()
  const [a, b] = [await pixelsOf(enlarged), await pixelsOf(other)]
  return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length
}
