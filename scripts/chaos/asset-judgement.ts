import { reconcilePage } from '@funmagic/asset/reconciliation'
import { openS3ObjectStore } from '@funmagic/asset/s3-object-store'
import { sql } from '@funmagic/database/sql'
import { fetchBytes } from './fetched-bytes.ts'
import type { History } from './history.ts'
import type { Lab } from './lab.ts'

interface AssetRow {
  readonly id: string
  readonly sha256: string
  readonly bucket: 'private' | 'public' | 'admin'
  readonly key: string
}

interface AssetJudgement {
  readonly findings: readonly string[]
  readonly fetched: number
  readonly probes: number
}

// As many as S3 lists at once.
const objectsMax = 1_000
const pagesMax = 100
const probedMax = 60

/** T7, S1–S3: what is there can be fetched, with its bytes; what may not be seen cannot. */
export async function judgeAssets(lab: Lab, history: History): Promise<AssetJudgement> {
  const { rows } = await lab.database.query<AssetRow>(sql`
    SELECT id, sha256, bucket, storage_key AS key FROM assets WHERE deleted_at IS NULL
  `)
  const findings = judgeUploads(rows, history)
  for (const { id, sha256 } of rows) {
    const url = history.addresses.get(id)
    const { status, ...bytes } = await fetchBytes(url ?? lab.addresses.edge)
    if (url === undefined) findings.push(`asset ${id} has no address at ${lab.addresses.edge}`)
    else if (status !== 200) findings.push(`asset ${id} answered ${status}`)
    else if (bytes.sha256 !== sha256) findings.push(`asset ${id} has other bytes`)
  }
  const probes = [
    ...rows
      .filter(({ bucket }) => bucket === 'private')
      .flatMap(row => probesOf(lab, history, row)),
    ...formerAddresses(history),
  ]
  for (const { url, what } of probes) {
    const { status } = await fetchBytes(url)
    if (status === 200) findings.push(`${what} can be had at ${url}`)
    if (status === 0 || status >= 500) findings.push(`${what}: no refusal but ${status} at ${url}`)
  }
  return { findings, fetched: rows.length, probes: probes.length }
}

/** What was uploaded is there as it came, unless somebody wanted it deleted. */
function judgeUploads(rows: readonly AssetRow[], history: History): string[] {
  const known = new Map(rows.map(row => [row.id, row]))
  return [...history.uploads].flatMap(([id, { sha256 }]) => {
    const row = known.get(id)
    if (row === undefined) return history.deleted.has(id) ? [] : [`asset ${id} is gone`]
    // A picture that is kept as it came has the digest of what was sent.
    return row.sha256 === sha256 ? [] : [`asset ${id} is not what was uploaded`]
  })
}

interface Probe {
  readonly url: string
  readonly what: string
}

/** S2: without a signature, with a broken one, with another's, by other hosts, from the store. */
function probesOf({ addresses, direct }: Lab, history: History, { id, key }: AssetRow): Probe[] {
  const urls = [...history.addresses]
  const index = urls.findIndex(([assetId]) => assetId === id)
  const address = urls[index]?.[1]
  if (address === undefined || index >= probedMax) return []
  const { origin, pathname, search } = new URL(address)
  const signature = /Signature=([^&]+)/.exec(search)?.[1] ?? ''
  const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
  const isOther = (url: string) => !url.includes(pathname) && url.includes('Signature=')
  const foreign = urls.map(([, url]) => url).find(isOther)
  const bucket = direct.s3.buckets.S3_BUCKET_PRIVATE
  const probes = [
    { url: `${origin}${pathname}`, what: 'without a signature' },
    { url: `${origin}${pathname}${search.replace(signature, flipped)}`, what: 'tampered with' },
    {
      url: `${origin}${pathname}${foreign && new URL(foreign).search}`,
      what: 'signed for another',
    },
    { url: `${addresses.cdn}${pathname}`, what: 'by the public host' },
    { url: `${direct.s3.endpoint}/${bucket}/${key}`, what: 'from the store' },
  ]
  return probes.map(({ url, what }) => ({ url, what: `private asset ${id}, ${what},` }))
}

/** S3: an address that was public serves nothing once the asset has another, or is gone. */
function formerAddresses({ publicAddresses, addresses }: History): Probe[] {
  return [...publicAddresses].flatMap(([url, id]) =>
    addresses.get(id) === url ? [] : [{ url, what: `asset ${id}, unpublished or deleted,` }],
  )
}

/** S7: a row without bytes is a loss; bytes without a row go, and nothing is left to find then. */
export async function judgeStore({ database, direct }: Lab) {
  const { endpoint, region, accessKeyId, secretAccessKey, buckets } = direct.s3
  const store = openS3ObjectStore({
    region,
    endpoint,
    accessKey: accessKeyId,
    secretKey: secretAccessKey,
    buckets: {
      private: buckets.S3_BUCKET_PRIVATE,
      public: buckets.S3_BUCKET_PUBLIC,
      admin: buckets.S3_BUCKET_ADMIN,
    },
  })
  const findings: string[] = []
  let removed = 0
  const limits = { graceSeconds: 0, objectsMax }
  for (const bucket of ['private', 'public', 'admin'] as const) {
    for (let pages = 0; pages < pagesMax; pages++) {
      const page = await reconcilePage({ database, store }, bucket, limits)
      removed += page?.removed.length ?? 0
      for (const id of page?.missing ?? []) findings.push(`asset ${id} has no bytes`)
      if (page === undefined || page.listed < objectsMax) break
    }
  }
  return { findings, removed }
}
