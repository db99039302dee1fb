// A process that publishes, unpublishes or deletes an asset and is killed at one of its steps, for
// test/killed-mover.test.ts. Its parent tells it what to do by its arguments.
import { openCdnInvalidation } from '../src/cdn-invalidation.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { openS3ObjectStore } from '../src/s3-object-store.ts'
import { openMortal } from './mortal.ts'
import { s3Settings } from './s3.ts'

const [operation = '', url = '', cdnUrl = '', userId = '', assetId = '', step, moment] =
  process.argv.slice(2)
const settings = s3Settings()
const { accessKey, secretKey } = settings
const store = openS3ObjectStore(settings)
const cdn = openCdnInvalidation({
  distributionId: 'E1PUBLIC',
  addressOf: key => `${cdnUrl}/${key}`,
  endpoint: cdnUrl,
  accessKey,
  secretKey,
})
const mortal = openMortal({ url, store, cdn }, async () => {
  process.kill(process.pid, 'SIGKILL')
  // The signal may take a moment; nothing must happen meanwhile.
  return new Promise<never>(() => setInterval(() => undefined, 1_000))
})
mortal.start({ step: Number(step), moment: moment === 'after' ? 'after' : 'before' })
const work = { publish: publishAsset, unpublish: unpublishAsset, delete: deleteAsset }[operation]
await work?.(mortal.deps, { userId, assetId }, new AbortController().signal)
cdn.close()
store.close()
await mortal.close()
