import t from 'tap'
import { checkModel } from '../src/models.ts'
import { glb, ply } from './models.ts'

const asset = { version: '2.0' }

t.test('a sound model passes', async t => {
  const inline = { asset, images: [{ uri: 'data:image/png;base64,AA==' }, { bufferView: 0 }] }

  t.doesNotThrow(() => checkModel(glb({ asset }), 'model/gltf-binary'))
  t.doesNotThrow(() => checkModel(glb(inline), 'model/gltf-binary'))
  t.doesNotThrow(() => checkModel(ply, 'model/ply'))
})

t.test('a model that would fetch something from elsewhere is refused', async t => {
  const uris = ['https://evil.test/x.bin', '//evil.test', 'x.png', '../x', '', 1, null]

  for (const uri of uris) {
    for (const list of ['buffers', 'images']) {
      const model = glb({ asset, [list]: [{ uri }] })
      t.throws(() => checkModel(model, 'model/gltf-binary'), { code: 'TYPE_MISMATCH' }, list)
    }
  }
})

t.test('a frame that does not fit its bytes is refused', async t => {
  const sound = Buffer.from(glb({ asset }))
  const with32 = (offset: number, value: number) => {
    const bytes = Buffer.from(sound)
    bytes.writeUInt32LE(value, offset)
    return bytes
  }
  const cases = {
    'cut off': sound.subarray(0, -1),
    'only a header': sound.subarray(0, 12),
    'another version': with32(4, 1),
    'another length': with32(8, sound.length + 1),
    'a chunk beyond the end': with32(12, 0xffffffff),
    'a chunk of something else': with32(16, 0x004e4942),
    'no JSON': glb('{"asset":'),
    'no object': glb('null'),
    'a list that is none': glb({ asset, buffers: { uri: 'x' } }),
    'an item that is none': glb({ asset, images: [null] }),
  }

  for (const [name, bytes] of Object.entries(cases)) {
    t.throws(() => checkModel(bytes, 'model/gltf-binary'), { code: 'TYPE_MISMATCH' }, name)
  }
  const headless = ply.subarray(0, 40)
  t.throws(() => checkModel(headless, 'model/ply'), { code: 'TYPE_MISMATCH' })
})
