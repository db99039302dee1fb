import sharp from 'sharp'
import t from 'tap'
import { uploadMimeTypes } from '@funmagic/contract/asset'
import { cleanPicture, inspectPicture } from '../src/pictures.ts'
import { paint } from '../src/testing.ts'
import { claimGif, claimPng } from '../src/odd-pictures.ts'

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

t.test('a picture beyond the limits is refused by its header, at once', async t => {
  const cases = {
    'as large as a header can claim': [claimPng(65_535, 65_535), 'image/png'],
    'more than 40 million pixels': [claimPng(8_000, 5_001), 'image/png'],
    'a line': [claimPng(1_000_000, 1), 'image/png'],
    'a hundred and one to one': [claimPng(101, 1), 'image/png'],
    'longer than a WebP can be': [claimPng(16_384, 1_000), 'image/png'],
    'too many frames': [claimGif(20_000), 'image/gif'],
  } as const
  const rssBefore = process.memoryUsage().rss
  const startedAt = performance.now()

  for (const [name, [bytes, mimeType]] of Object.entries(cases)) {
    await t.rejects(cleanPicture(bytes, mimeType), { code: 'IMAGE_TOO_LARGE' }, name)
  }

  t.ok(performance.now() - startedAt < 2_000, 'in no time')
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
