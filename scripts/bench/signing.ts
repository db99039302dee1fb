import { getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { listAssets } from '@funmagic/asset/gallery'
import { createAssetLinks } from '@funmagic/asset/resolve-url'
import { createTestUser, type TestUser } from '@funmagic/session/testing'
import type { AssetView } from '@funmagic/contract/asset'
import type { Asset } from '@funmagic/asset/asset'
import { makeSigningKey } from './asset-process.ts'
import type { Comparison } from './comparison.ts'
import { fillGallery } from './gallery-rows.ts'
import type { Setting } from './setting.ts'

const galleryAssets = 200
const viewsOfRound = 20
const windowSeconds = 300
const keyPairId = 'K2BENCH'
const privateCdnUrl = 'https://private-cdn.funmagic.test'

type KeyKind = 'rsa' | 'ecdsa'

/** A signed gallery that is looked at again, against signing each address with the SDK. */
export async function signingComparisons(setting: Setting): Promise<readonly Comparison[]> {
  const { database, url } = await setting.openDatabase()
  const owner = await createTestUser(database)
  await fillGallery(url, { userId: owner.user.id, rows: galleryAssets })
  const page = { limit: galleryAssets, cursor: undefined }
  const { items } = await listAssets(database, { userId: owner.user.id, filter: {} }, page)
  const comparisons: Comparison[] = []
  for (const kind of ['rsa', 'ecdsa'] as const) {
    comparisons.push(...(await compareKey(setting, kind, { owner, assets: items })))
  }
  return comparisons
}

interface Gallery {
  readonly owner: TestUser
  readonly assets: readonly Asset[]
}

async function compareKey(
  setting: Setting,
  kind: KeyKind,
  { owner, assets }: Gallery,
): Promise<readonly Comparison[]> {
  const privateKey = makeSigningKey(kind)
  const open = (now?: () => number) =>
    createAssetLinks(
      { cdnUrl: 'https://cdn.funmagic.test', privateCdnUrl, keyPairId, privateKey, windowSeconds },
      now,
    )
  const links = open()
  const view = () => links.toAssetViews(assets, owner.user)
  const firstPerSecond = await rate(async () => addressesIn(await view()).length)
  setting.note(`${kind}: the first view signs ${firstPerSecond.toFixed(0)} addresses/s`)
  return [
    {
      title: `signed gallery of ${galleryAssets} seen again, ${kind}`,
      unit: 'addresses/s',
      ours: {
        name: 'from the second view in a window on',
        run: () =>
          rate(async () => {
            let made = 0
            for (let number = 0; number < viewsOfRound; number++) {
              made += addressesIn(await view()).length
            }
            return made
          }),
      },
      bare: {
        name: 'getSignedUrl with a PEM for each',
        run: () => rate(async () => signEach(assets, privateKey)),
      },
      bound: { atLeast: 20 },
    },
    {
      title: `addresses that stay the same to the byte in a window, ${kind}`,
      unit: 'of 1',
      ours: {
        name: 'two views at any moments of one window',
        run: () => shareSame(owner, assets, open),
      },
      bare: { name: 'all', run: async () => 1 },
      bound: { atLeast: 0.95 },
    },
  ]
}

/** What each call does is counted by what it returns. */
async function rate(work: () => Promise<number>): Promise<number> {
  const startedAt = performance.now()
  const count = await work()
  return (count * 1000) / (performance.now() - startedAt)
}

function addressesIn(views: readonly AssetView[]): string[] {
  return views.flatMap(({ url, thumbnailUrl, cardUrl }) => [url, thumbnailUrl ?? '', cardUrl ?? ''])
}

function signEach(assets: readonly Asset[], privateKey: string): number {
  const dateLessThan = new Date(Date.now() + 900_000).toISOString()
  for (const { storageKey } of assets) {
    getSignedUrl({ url: `${privateCdnUrl}/${storageKey}`, keyPairId, privateKey, dateLessThan })
  }
  return assets.length
}

type OpenLinks = (now: () => number) => ReturnType<typeof createAssetLinks>

/** Two views at random moments of a window, as of somebody who comes back. */
async function shareSame(
  { user }: TestUser,
  assets: readonly Asset[],
  open: OpenLinks,
): Promise<number> {
  const windowMs = windowSeconds * 1000
  const startMs = Date.now() - (Date.now() % windowMs)
  let nowMs = startMs + Math.random() * windowMs
  const links = open(() => nowMs)
  const before = new Set(addressesIn(await links.toAssetViews(assets, user)))
  nowMs = startMs + Math.random() * windowMs
  const after = addressesIn(await links.toAssetViews(assets, user))
  return after.filter(address => before.has(address)).length / after.length
}
