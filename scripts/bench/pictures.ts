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
  for (const { name, bytes } of [usual, worst]) {
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
    {
      title: 'confirming the worst allowed picture',
      unit: 'ms',
      ours: { name: worst.name, run: confirmTime(worst) },
      bare: { name: usual.name, run: confirmTime(usual) },
      bound: { atMost: 15 },
    },
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

/** As many pixels as are allowed, nothing but noise, in the format that takes longest. */
async function paintWorst(): Promise<Picture> {
  const [width, height] = [7300, 5475]
  const bytes = await noise(width, height).webp({ quality: 40, effort: 0 }).toBuffer()
  return {
    name: 'noise of 40 megapixels in WebP',
    mimeType: 'image/webp',
    bytes,
    bitmapBytes: width * height * 4,
  }
}

function noise(width: number, height: number): Sharp {
  const channels = 3
  const pixels = randomFillSync(Buffer.allocUnsafe(width * height * channels))
  return sharp(pixels, { raw: { width, height, channels } })
}
