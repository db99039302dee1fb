import { ask, xmlCodeOf } from './ask.ts'
import { failed, ok, skipped, type Check, type Verdict } from './check.ts'
import type { Installation } from './installation.ts'

const absentKey = 'doctor/nothing-is-here'
const forged = 'Expires=4102444800&Signature=AAAA&Key-Pair-Id=KFORGED0000000'

/** Private files ask for a signature, and nobody goes round the CDN to a bucket. */
export function storageChecks(installation: Installation): Check[] {
  const { privateCdn, buckets } = installation
  return [
    {
      name: 'private file without a signature',
      run: signal => checkSignature(`${privateCdn}/private/${absentKey}`, signal),
    },
    {
      name: 'private file with a forged signature',
      run: signal => checkForged(`${privateCdn}/private/${absentKey}?${forged}`, signal),
    },
    ...Object.entries(buckets).map(([role, address]) => ({
      name: `direct S3, ${role} bucket`,
      run: (signal: AbortSignal) => checkBucket(address, signal),
    })),
    { name: 'direct S3, an object of the CDN', run: signal => checkObject(installation, signal) },
  ]
}

/**
 * A 403 alone proves nothing: an object that is not there gives one, too. That CloudFront misses
 * the key's id says that it asked for a signature before it looked.
 */
async function checkSignature(url: string, signal: AbortSignal): Promise<Verdict> {
  const answer = await ask(url, { signal })
  const code = xmlCodeOf(answer)
  if (answer.status === 403 && code === 'MissingKey') return ok('403 MissingKey')
  const detail = `${answer.status} ${code ?? ''}: no signature was asked for`
  return failed({ detail, fix: 'the distribution’s behaviour must trust the key group' })
}

async function checkForged(url: string, signal: AbortSignal): Promise<Verdict> {
  const answer = await ask(url, { signal })
  if (answer.status === 403) return ok(`403 ${xmlCodeOf(answer) ?? ''}`.trim())
  const fix = 'the distribution’s behaviour must trust the key group and nothing else'
  return failed({ detail: `${answer.status}: the signature was not checked`, fix })
}

async function checkBucket(address: string, signal: AbortSignal): Promise<Verdict> {
  const listing = await ask(`${address}/?list-type=2&max-keys=1`, { signal })
  if (xmlCodeOf(listing) === 'NoSuchBucket') {
    return skipped('there is no bucket of this name: give --name and --region')
  }
  const object = await ask(`${address}/${absentKey}`, { signal })
  if (listing.status === 403 && object.status === 403) return ok('403 to list and to read')
  const detail = `${listing.status} to list, ${object.status} to read`
  return failed({ detail, fix: 'block public access, and let only CloudFront read (OAC)' })
}

/** The proof on an object that exists: a bucket that hides what is absent gives 403 for that. */
async function checkObject(installation: Installation, signal: AbortSignal): Promise<Verdict> {
  const { publicObject, cdn, buckets } = installation
  if (publicObject === undefined) return skipped('give the key of a published one: --object KEY')
  const delivered = await ask(`${cdn}/${publicObject}`, { signal })
  if (delivered.status !== 200) {
    const fix = 'give --object the path of something that is published'
    return failed({ detail: `the CDN answers ${delivered.status}`, fix })
  }
  const direct = await ask(`${buckets.public}/${publicObject}`, { signal })
  if (direct.status === 403) return ok('200 from the CDN, 403 from the bucket')
  const fix = 'block public access, and let only CloudFront read (OAC)'
  return failed({ detail: `the bucket itself answers ${direct.status}`, fix })
}
