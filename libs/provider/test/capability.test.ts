import t from 'tap'
import { findCapability, requireHonoured } from '../src/capability.ts'

const removal = {
  type: 'background-remove',
  providerModel: 'fal-ai/bria/background/remove',
} as const
const drawing = { type: 'image-gen', providerModel: 'gpt-image-1.5' } as const

t.test('a provider is asked only for what it can do', async t => {
  t.ok(findCapability('fal', removal))
  t.ok(findCapability('openai', drawing))
  t.equal(findCapability('openai', removal), undefined)
  t.equal(findCapability('fal', { ...removal, providerModel: 'other/model' }), undefined)
})

t.test(
  'an input that the model would ignore or reject is refused before it is paid for',
  async t => {
    const needsPicture = findCapability('fal', removal)
    const needsPrompt = findCapability('openai', drawing)
    if (needsPicture === undefined || needsPrompt === undefined) throw new Error('no such model')
    const refusal = (field: string) => ({ code: 'INVALID_INPUT', details: { field } })

    t.doesNotThrow(() => requireHonoured(needsPicture, { hasPicture: true, prompt: undefined }))
    t.throws(
      () => requireHonoured(needsPicture, { hasPicture: false, prompt: undefined }),
      refusal('input.assetId'),
    )
    t.throws(
      () => requireHonoured(needsPicture, { hasPicture: true, prompt: 'a cat' }),
      refusal('input.prompt'),
    )
    t.doesNotThrow(() => requireHonoured(needsPrompt, { hasPicture: true, prompt: 'a cat' }))
    t.throws(
      () => requireHonoured(needsPrompt, { hasPicture: false, prompt: 'a'.repeat(32_001) }),
      refusal('input.prompt'),
    )
  },
)
