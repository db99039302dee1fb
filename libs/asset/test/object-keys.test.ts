import fc from 'fast-check'
import t from 'tap'
import { outputMimeTypes } from '@funmagic/contract/asset'
import { newId } from '@funmagic/contract/ids'
import {
  derivativeKey,
  freshPrivatePlace,
  freshPublicPlace,
  headersFor,
  outputPlace,
  quarantinePlace,
  uploadPlace,
} from '../src/object-keys.ts'

const userId = newId()
const owner = { userId, module: 'ai_painter', mimeType: 'image/webp' } as const
const privateKey = new RegExp(`^private/${userId}/ai_painter/[0-9a-z]{26}\\.webp$`)

t.test('keys have the shape of their bucket and name their owner', async t => {
  const id = newId()

  t.match(freshPrivatePlace(owner), { bucket: 'private', key: privateKey })
  t.match(uploadPlace(owner, id), { bucket: 'private', key: privateKey })
  t.match(outputPlace(owner, { taskId: id, index: 0 }), { bucket: 'private', key: privateKey })
  t.match(freshPublicPlace({ ...owner, id }), {
    bucket: 'public',
    key: new RegExp(`^public/shared/${userId}/[0-9a-z]{26}/${id}\\.webp$`),
  })
  t.same(quarantinePlace(id), { bucket: 'private', key: `quarantine/${id}` })
})

t.test('a smaller picture lies beside its asset, wherever that is', async t => {
  const id = newId()
  const placeKeys = [freshPrivatePlace(owner).key, freshPublicPlace({ ...owner, id }).key]

  for (const key of placeKeys) {
    const stem = key.slice(0, -'.webp'.length)
    t.equal(derivativeKey(key, 'thumb'), `${stem}.thumb.webp`)
    t.equal(derivativeKey(key, 'card'), `${stem}.card.webp`)
  }
})

t.test('a fresh place was never used before, and a derived one is the same each time', async t => {
  const [uploadId, taskId] = [newId(), newId()]

  const fresh = Array.from({ length: 1_000 }, () => freshPrivatePlace(owner).key)
  const derived = [
    uploadPlace(owner, uploadId),
    uploadPlace(owner, newId()),
    outputPlace(owner, { taskId, index: 0 }),
    outputPlace(owner, { taskId, index: 1 }),
    outputPlace(owner, { taskId: uploadId, index: 0 }),
  ].map(({ key }) => key)

  t.equal(new Set([...fresh, ...derived]).size, 1_005)
  t.same(uploadPlace(owner, uploadId), { bucket: 'private', key: derived[0] })
  t.same(outputPlace(owner, { taskId, index: 0 }), { bucket: 'private', key: derived[2] })
})

t.test('no text leaves its prefix: it is refused or part of a well-formed key', async t => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('..', '../x', 'a/b', '', '.', '%2e%2e', 'a\0', 'a b', 'A', 'ä', '__proto__'),
    fc.stringMatching(/^[a-z0-9_-]{1,70}$/),
  )
  const mimeType = fc.constantFrom(...outputMimeTypes)

  fc.assert(
    fc.property(text, text, mimeType, (userIdText, module, type) => {
      for (const id of [userIdText, userId]) {
        const key = keyOrRefusal(() => freshPrivatePlace({ userId: id, module, mimeType: type }))
        if (key === undefined) continue
        const shape = `^private/${userId}/[a-z0-9][a-z0-9_-]{0,63}/[0-9a-z]{26}\\.[a-z]{3,4}$`
        if (!new RegExp(shape).test(key)) throw new Error(`${key} left its prefix`)
      }
      const quarantined = keyOrRefusal(() => quarantinePlace(userIdText))
      if (quarantined !== undefined) throw new Error(`${quarantined} is no quarantine key`)
    }),
    { numRuns: 2_000 },
  )
  t.pass('2000 texts stayed where they belong')
})

function keyOrRefusal(make: () => { key: string }): string | undefined {
  try {
    return make().key
  } catch {
    // An assertion: such a text is a bug of the caller, and makes no key.
    return undefined
  }
}

t.test('the server decides what the bytes are called and how long they are kept', async t => {
  t.same(headersFor({ bucket: 'public', key: 'public/shared/x.png' }, 'image/png'), {
    mimeType: 'image/png',
    cacheControl: 'public, max-age=300, s-maxage=31536000',
    contentDisposition: 'inline',
  })
  t.same(headersFor({ bucket: 'private', key: 'private/x.glb' }, 'model/gltf-binary'), {
    mimeType: 'model/gltf-binary',
    cacheControl: 'private, max-age=900',
    contentDisposition: 'attachment',
  })
  t.match(headersFor({ bucket: 'admin', key: 'internal/admin/x.png' }, 'image/png'), {
    cacheControl: 'private, no-store',
  })
  t.match(headersFor({ bucket: 'public', key: 'public/ops/banners/x.png' }, 'image/png'), {
    cacheControl: 'public, max-age=31536000, immutable',
  })
})
