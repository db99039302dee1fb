import { createHash, randomFillSync } from 'node:crypto'
import sharp, { type Sharp } from 'sharp'
import type { UploadTicket } from '@funmagic/contract/asset'
import { createTestUser } from '@funmagic/session/testing'
import { startAssetService } from './asset-process.ts'
import { timed, type Comparison } from './comparison.ts'
import { fillGallery } from './gallery-rows.ts'
import { peakBytes, residentBytes } from './process-memory.ts'
import { Caller, percentile } from './requests.ts'
import type { Setting } from './setting.ts'

const requestsOfRound = 400
const worstAtOnce = 4
const megabyte = 1e6

interface Picture {
  readonly name: string
  readonly mimeType: string
  readonly bytes: Buffer
  /** As decoded, four bytes a pixel. */
  readonly bitmapBytes: number
}

/**
 * The most expensive picture that is allowed against the one that people send, at confirm; and what
 * the others notice of it (L16).
 */
export async function pictureComparisons(setting: Setting): Promise<readonly Comparison[]> {
  const { database, url } = await setting.openDatabase()
  const { user, cookie } = await createTestUser(database, { secure: false })
  await fillGallery(url, { userId: user.id, rows: 100 })
  const service = await startAssetService(setting, {
    DATABASE_URL: url,
    UPLOAD_QUOTA_BYTES: String(1e12),
    UPLOAD_TICKETS_MAX: '10000',
  })
  const caller = new Caller(setting, service.address, cookie)
  const usual = await paintPhoto()
  const worst = await paintWorst()
  const clear = await paintWorst({ withHoles: true })
  for (const { name, bytes } of [usual, worst, clear]) {
    setting.note(`${name}: ${(bytes.length / megabyte).toFixed(1)} MB`)
  }

  const confirmTime = (picture: Picture) => async () => {
    const path = await send(caller, picture)
    return timed(() => caller.call(path, { method: 'POST' }))
  }
  const memory = async () => {
    const path = await send(caller, worst)
    const before = await residentBytes(service.pid)
    const confirm = () => caller.call(path, { method: 'POST' })
    return ((await peakBytes(service.pid, confirm)) ?? before) - before
  }
  return [
    ...[worst, clear].map(picture => ({
      title: `confirming ${picture.name}`,
      unit: 'ms',
      ours: { name: picture.name, run: confirmTime(picture) },
      bare: { name: usual.name, run: confirmTime(usual) },
      bound: { atMost: 15 },
    })),
    {
      title: 'memory that one confirmation takes',
      unit: 'bytes',
      ours: { name: `growth for ${worst.name}`, run: memory },
      bare: { name: 'its bitmap', run: async () => worst.bitmapBytes },
      bound: { atMost: 2 },
    },
    {
      title: 'p99 of a page of 20 while the worst are confirmed',
      unit: 'ms',
      ours: {
        name: `${worstAtOnce} confirmations at once`,
        run: () => tailDuring(caller, () => confirmMany(caller, worst)),
      },
      bare: { name: 'none', run: () => tailDuring(caller, async () => undefined) },
      bound: { atMost: 2 },
    },
  ]
}

/** At least as many requests as counted, and as long as the work lasts. */
async function tailDuring(caller: Caller, work: () => Promise<unknown>): Promise<number> {
  const page = '/api/assets?limit=20'
  let isOver = false
  const working = work().finally(() => {
    isOver = true
  })
  const durations: number[] = []
  while (!isOver || durations.length < requestsOfRound) {
    durations.push((await caller.call(page)).durationMs)
  }
  await working
  return percentile(durations, 99)
}

async function confirmMany(caller: Caller, picture: Picture): Promise<void> {
  const paths: string[] = []
  for (let number = 0; number < worstAtOnce; number++) paths.push(await send(caller, picture))
  // As many as were sent; the service decides how many are decoded at once.
  await Promise.all(paths.map(path => caller.call(path, { method: 'POST' })))
}

/** Uploads into quarantine; returns where to confirm it. */
async function send(caller: Caller, { mimeType, bytes }: Picture): Promise<string> {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const body = { filename: 'picture', mimeType, sizeBytes: bytes.length, module: 'figme', sha256 }
  const reply = await caller.call('/api/assets/uploads', { method: 'POST', body })
  // The shape is that of the API; with another one nothing can be sent.
  const { uploadId, upload } = JSON.parse(reply.body.toString()) as UploadTicket
  const sent = await fetch(upload.url, {
    method: 'PUT',
    headers: upload.headers,
    body: new Uint8Array(bytes),
  })
  if (!sent.ok) throw new Error(`the store answered ${sent.status}: ${await sent.text()}`)
  return `/api/assets/uploads/${uploadId}/complete`
}

/** What a telephone makes: 12 megapixels, some megabytes of JPEG. */
async function paintPhoto(): Promise<Picture> {
  const [width, height] = [4032, 3024]
  const small = noise(width / 4, height / 4)
  const bytes = await small.resize(width, height, { fit: 'fill' }).jpeg({ quality: 85 }).toBuffer()
  return {
    name: 'a photo of 12 megapixels',
    mimeType: 'image/jpeg',
    bytes,
    bitmapBytes: width * height * 4,
  }
}

/**
 * As many pixels as are allowed, nothing but noise, in the format that takes longest. With holes
 * everywhere there is a second picture in it.
 */
async function paintWorst({ withHoles = false } = {}): Promise<Picture> {
  const [width, height] = [7300, 5475]
  const quality = withHoles ? 10 : 40
  const picture = noise(width, height, withHoles ? 4 : 3)
  return {
    name: `noise of 40 megapixels in WebP${withHoles ? ', with holes' : ''}`,
    mimeType: 'image/webp',
    bytes: await picture.webp({ quality, effort: 0 }).toBuffer(),
    bitmapBytes: width * height * 4,
  }
}

/** A fourth channel is what can be seen: each pixel, or not at all. */
function noise(width: number, height: number, channels: 3 | 4 = 3): Sharp {
  const pixels = randomFillSync(Buffer.allocUnsafe(width * height * channels))
  for (let index = 3; channels === 4 && index < pixels.length; index += 4) {
    pixels[index] = (pixels[index] ?? 0) & 1 ? 255 : 0
  }
  return sharp(pixels, { raw: { width, height, channels } })
}
