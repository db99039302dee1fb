import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AssetView } from '@funmagic/contract/asset'
import type { Report } from '../local/report.ts'
import type { Addresses } from '../local/stack-file.ts'
import { Visitor } from './visitor.ts'

export interface Told {
  readonly title: string
  readonly detail: string
  readonly seconds: number
}

export interface Story {
  readonly before: Buffer
  readonly after: Buffer
  readonly publicUrl: string
  readonly chapters: readonly Told[]
}

export interface StoryOptions {
  readonly addresses: Addresses
  readonly before: Buffer
  readonly report: Report
  /** Only a simulator can be told to fail; a real provider is spared that chapter. */
  readonly canFail: boolean
  readonly signal: AbortSignal
}

interface Scene {
  readonly addresses: Addresses
  readonly visitor: Visitor
  readonly before: Buffer
  readonly chapter: Chapter
  readonly report: Report
}

/** Does a part, tells how long it took, and what came of it. */
type Chapter = <Result>(
  title: string,
  work: () => Promise<{ result: Result; detail: string }>,
) => Promise<Result>

const toolSlug = 'background-remove'
const moveDeadlineMs = 30_000
const pollMs = 200

/**
 * The main job as a visitor does it, through the edge, each claim checked as it is made: upload,
 * run, watch, see in private, publish. Throws at the first thing that is not as promised.
 */
export async function tellStory(options: StoryOptions): Promise<Story> {
  const { addresses, before, report, canFail } = options
  const chapters: Told[] = []
  const visitor = new Visitor(addresses.edge)
  const scene: Scene = { addresses, visitor, before, chapter: tellTo(chapters, options), report }
  const original = await arrive(scene)
  const output = await runTool(scene, original)
  await seeInPrivate(scene, output)
  const { publicUrl, after } = await publish(scene, output)
  if (canFail) await meetFailure(scene, original)
  return { before, after, publicUrl, chapters }
}

function tellTo(chapters: Told[], { report, signal }: StoryOptions): Chapter {
  return async (title, work) => {
    signal.throwIfAborted()
    const startedAt = performance.now()
    const { result, detail } = await work()
    const seconds = (performance.now() - startedAt) / 1000
    chapters.push({ title, detail, seconds })
    report.tell(`${title} (${seconds.toFixed(2)} s): ${detail}`)
    return result
  }
}

async function arrive({ visitor, before, chapter, addresses }: Scene): Promise<AssetView> {
  await chapter('Sign up', async () => {
    await visitor.signUp()
    const { balance } = await visitor.balance()
    assert.ok(balance > 0, 'a new user has credits')
    return { result: undefined, detail: `${visitor.email}, ${balance} credits` }
  })
  return chapter('Upload a picture by presigned URL', async () => {
    const { asset, url } = await visitor.upload(before, 'image/jpeg')
    assert.ok(url.startsWith(addresses.s3.endpoint), 'the bytes go straight to the store')
    assert.equal(asset.visibility, 'private')
    const size = `${asset.width} × ${asset.height}, ${before.length} bytes`
    return { result: asset, detail: `${size}, PUT ${withoutQuery(url)}` }
  })
}

async function runTool(
  { visitor, chapter, report }: Scene,
  original: AssetView,
): Promise<AssetView> {
  const start = await visitor.balance()
  const { task, streamUrl } = await chapter(`Submit ${toolSlug}`, async () => {
    const submitted = await visitor.submit(toolSlug, original.id)
    const { balance, reservedBalance } = await visitor.balance()
    assert.equal(balance + reservedBalance, start.balance, 'credits are set aside, not spent')
    return { result: submitted, detail: `task ${submitted.task.id}, ${reservedBalance} reserved` }
  })
  return chapter('Watch it by server-sent events', async () => {
    await visitor.follow(streamUrl, event => {
      if (event.event !== 'heartbeat') report.tell(`    ${event.data}`)
    })
    const ended = await visitor.task(task.id)
    assert.equal(ended.status, 'completed', JSON.stringify(ended.error))
    const { balance, reservedBalance } = await visitor.balance()
    assert.deepEqual([balance, reservedBalance], [start.balance - ended.creditsCost, 0])
    const output = ended.output?.assets[0]
    assert.ok(output !== undefined, 'a completed task has an output')
    return { result: output, detail: `completed, ${ended.creditsCost} credits spent` }
  })
}

async function seeInPrivate({ addresses, chapter }: Scene, output: AssetView): Promise<void> {
  await chapter('See the result by a signed private address', async () => {
    assert.ok(output.url.startsWith(addresses.privateCdn))
    const bytes = await fetchBytes(output.url)
    assert.equal(sha256(bytes), output.sha256)
    return { result: undefined, detail: output.url }
  })
  await chapter('The same address without its signature', async () => {
    const response = await fetch(withoutQuery(output.url))
    await response.body?.cancel()
    assert.equal(response.status, 403, 'an unsigned address must be refused')
    return { result: undefined, detail: `${response.status}, refused` }
  })
}

async function publish(
  { addresses, visitor, chapter }: Scene,
  output: AssetView,
): Promise<{ publicUrl: string; after: Buffer }> {
  const publicUrl = await chapter('Publish it', async () => {
    await visitor.publish(output.id)
    const { url } = await untilOnCdn(visitor, output, addresses.cdn)
    assert.equal(url, withoutQuery(url), 'a public address needs no signature')
    return { result: url, detail: url }
  })
  const after = await chapter('Fetch it as anybody', async () => {
    const bytes = await fetchBytes(publicUrl)
    assert.equal(sha256(bytes), output.sha256)
    return { result: bytes, detail: `${bytes.length} bytes, the same as before` }
  })
  return { publicUrl, after }
}

/** Until its bytes have moved, a published asset has a signed address; both always work. */
async function untilOnCdn(visitor: Visitor, { id }: AssetView, cdn: string): Promise<AssetView> {
  const endsAt = performance.now() + moveDeadlineMs
  while (performance.now() < endsAt) {
    const asset = await visitor.asset(id)
    if (asset.url.startsWith(cdn)) return asset
    await sleep(pollMs)
  }
  throw new Error('the published picture did not reach the public CDN in time')
}

async function meetFailure(
  { addresses, visitor, chapter }: Scene,
  original: AssetView,
): Promise<void> {
  await chapter('A provider that fails costs nothing', async () => {
    const start = await visitor.balance()
    await scriptFailure(addresses.providers)
    const { task, streamUrl } = await visitor.submit(toolSlug, original.id)
    await visitor.follow(streamUrl, () => undefined)
    const ended = await visitor.task(task.id)
    assert.equal(ended.status, 'failed')
    const { balance, reservedBalance } = await visitor.balance()
    assert.deepEqual([balance, reservedBalance], [start.balance, 0], 'the credits are back')
    return { result: undefined, detail: `failed with ${ended.error?.code}, ${balance} credits` }
  })
}

async function scriptFailure(providers: string): Promise<void> {
  const response = await fetch(`${providers}/_control/scripts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ provider: 'fal', mode: 'fail', times: 1 }),
  })
  assert.equal(response.status, 204, 'the simulator takes the script')
}

async function fetchBytes(url: string): Promise<Buffer> {
  const response = await fetch(url)
  assert.equal(response.status, 200, url)
  return Buffer.from(await response.arrayBuffer())
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function withoutQuery(url: string): string {
  return url.split('?', 1)[0] ?? url
}
