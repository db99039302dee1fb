import t from 'tap'
import { findCapability, requireHonoured, type StepInput } from '../src/capability.ts'

const removal = {
  type: 'background-remove',
  providerModel: 'fal-ai/bria/background/remove',
} as const
const drawing = { type: 'image-gen', providerModel: 'gpt-image-1.5' } as const
const building = { type: '3d-gen', providerModel: 'tripo-v2' } as const

t.test('a provider is asked only for what it can do', async t => {
  t.ok(findCapability('fal', removal))
  t.ok(findCapability('openai', drawing))
  t.equal(findCapability('openai', removal), undefined)
  t.equal(findCapability('fal', { ...removal, providerModel: 'other/model' }), undefined)
})

const none: StepInput = { hasPicture: false, prompt: undefined }
const picture: StepInput = { ...none, hasPicture: true }
const words: StepInput = { ...none, prompt: 'a cat' }
const both: StepInput = { ...picture, ...words, hasPicture: true }

const honoured: [string, 'fal' | 'openai' | 'tripo' | 'google', StepInput][] = [
  ['a picture', 'fal', picture],
  ['words', 'openai', words],
  ['words, a picture and a mask', 'openai', { ...both, hasMask: true }],
  ['a size of its own', 'openai', { ...words, size: '1536x1024' }],
  ['a ratio of its own', 'google', { ...words, size: '1344x768' }],
  ['a picture with a seed', 'tripo', { ...picture, seed: 7 }],
  ['words and what is not wanted', 'tripo', { ...words, negativePrompt: 'a dog', seed: 0 }],
]
const refused: [string, 'fal' | 'openai' | 'tripo' | 'google', StepInput, string, string][] = [
  ['no picture', 'fal', none, 'INVALID_INPUT', 'assetId'],
  ['words', 'fal', both, 'UNSUPPORTED_INPUT', 'prompt'],
  ['no words', 'openai', picture, 'INVALID_INPUT', 'prompt'],
  ['many words', 'openai', { ...none, prompt: 'a'.repeat(32_001) }, 'INVALID_INPUT', 'prompt'],
  ['another size', 'openai', { ...words, size: '1344x768' }, 'UNSUPPORTED_INPUT', 'size'],
  ['any size', 'fal', { ...picture, size: '1024x1024' }, 'UNSUPPORTED_INPUT', 'size'],
  ['a seed', 'openai', { ...words, seed: 1 }, 'UNSUPPORTED_INPUT', 'seed'],
  ['a mask', 'google', { ...both, hasMask: true }, 'UNSUPPORTED_INPUT', 'maskAssetId'],
  ['a mask alone', 'openai', { ...words, hasMask: true }, 'UNSUPPORTED_INPUT', 'maskAssetId'],
  ['a no', 'openai', { ...words, negativePrompt: 'x' }, 'UNSUPPORTED_INPUT', 'negativePrompt'],
  [
    'a no alone',
    'tripo',
    { ...picture, negativePrompt: 'x' },
    'UNSUPPORTED_INPUT',
    'negativePrompt',
  ],
  ['both of two', 'tripo', both, 'UNSUPPORTED_INPUT', 'prompt'],
  ['none of two', 'tripo', none, 'INVALID_INPUT', 'assetId'],
]
const steps = {
  fal: removal,
  openai: drawing,
  tripo: building,
  google: { type: 'image-gen', providerModel: 'gemini-2.5-flash-image' },
} as const

for (const [what, provider, input] of honoured) {
  t.test(`${provider} honours ${what}`, async t => {
    const capability = findCapability(provider, steps[provider])
    if (capability === undefined) throw new Error('no such model')

    t.doesNotThrow(() => requireHonoured(capability, input))
  })
}
for (const [what, provider, input, code, field] of refused) {
  t.test(`${provider} is not paid for ${what}: ${code}`, async t => {
    const capability = findCapability(provider, steps[provider])
    if (capability === undefined) throw new Error('no such model')

    const details = { field: `input.${field}`, suggestion: String }
    t.throws(() => requireHonoured(capability, input), { code, details })
  })
}
