import type { ProviderType, StepType } from '@funmagic/contract/tool'

type Need = 'required' | 'optional' | 'refused'

/** What a model can do with what it is given, and how its provider goes about it (V2). */
export interface Capability {
  readonly stepType: StepType
  readonly picture: Need
  readonly prompt: Need
  /** True when it takes the picture or the prompt, and not both. */
  readonly isEitherOr: boolean
  readonly promptCharactersMax: number
  /** 0 when it takes none. */
  readonly negativePromptCharactersMax: number
  /** True when a mask may say which part of the picture is to change. */
  readonly mask: boolean
  /** Width × height of what it makes, to choose from; none when it decides by itself. */
  readonly sizes: readonly string[]
  /** True when the same seed makes the same again. */
  readonly seed: boolean
  /** The provider shows drafts on the way. */
  readonly stream: boolean
  /** The provider can be asked to stop. */
  readonly cancel: boolean
  /** The provider calls back. */
  readonly webhook: boolean
  /** The model's own name at the provider begins with this. */
  readonly modelPrefix: string
}

const plain = {
  isEitherOr: false,
  promptCharactersMax: 0,
  negativePromptCharactersMax: 0,
  mask: false,
  sizes: [],
  seed: false,
  stream: false,
  cancel: false,
  webhook: false,
} as const

/** A picture in, something made of it out. */
const ofPicture = { ...plain, picture: 'required', prompt: 'refused' } as const

/**
 * Every model that an adapter honours, and everything that it honours of an input. A step that no
 * row covers is refused before it is paid for, and so is an input that a row's model would ignore
 * or reject. No adapter runs batches, and each model takes one picture.
 */
export const capabilities: Readonly<Record<ProviderType, readonly Capability[]>> = {
  fal: [
    {
      ...ofPicture,
      stepType: 'background-remove',
      modelPrefix: 'fal-ai/bria/background/remove',
      cancel: true,
      webhook: true,
    },
  ],
  openai: [
    {
      ...plain,
      stepType: 'image-gen',
      modelPrefix: 'gpt-image-',
      picture: 'optional',
      prompt: 'required',
      promptCharactersMax: 32_000,
      mask: true,
      stream: true,
      sizes: ['1024x1024', '1024x1536', '1536x1024'],
    },
  ],
  replicate: [
    { ...ofPicture, stepType: 'point-cloud', modelPrefix: '', cancel: true, webhook: true },
  ],
  tripo: [
    {
      ...plain,
      stepType: '3d-gen',
      modelPrefix: '',
      picture: 'optional',
      prompt: 'optional',
      isEitherOr: true,
      promptCharactersMax: 1_024,
      negativePromptCharactersMax: 255,
      seed: true,
    },
  ],
  google: [
    {
      ...plain,
      stepType: 'image-gen',
      modelPrefix: 'gemini-',
      picture: 'optional',
      prompt: 'required',
      promptCharactersMax: 32_000,
      sizes: [
        '1024x1024',
        '832x1248',
        '1248x832',
        '864x1184',
        '1184x864',
        '896x1152',
        '1152x896',
        '768x1344',
        '1344x768',
        '1536x672',
      ],
    },
  ],
}
