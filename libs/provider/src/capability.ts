import { AppError } from '@funmagic/contract/problem'
import type { ProviderType, StepType } from '@funmagic/contract/tool'

type Need = 'required' | 'optional' | 'refused'

/** What a model can do with what it is given (requirement V2). */
export interface Capability {
  readonly stepType: StepType
  readonly picture: Need
  readonly prompt: Need
  readonly promptCharactersMax: number
  /** The model's own name at the provider begins with this. */
  readonly modelPrefix: string
}

/** The parts of a task's input that a capability speaks about. */
export interface StepInput {
  readonly hasPicture: boolean
  /** The user's words together with those of the chosen style. */
  readonly prompt: string | undefined
}

/**
 * Every model that an adapter honours. A step that no row covers is refused before it is paid
 * for, and so is an input that the row's model would ignore or reject.
 */
export const capabilities: Readonly<Record<ProviderType, readonly Capability[]>> = {
  fal: [
    {
      stepType: 'background-remove',
      modelPrefix: 'fal-ai/bria/background/remove',
      picture: 'required',
      prompt: 'refused',
      promptCharactersMax: 0,
    },
  ],
  openai: [
    {
      stepType: 'image-gen',
      modelPrefix: 'gpt-image-',
      picture: 'optional',
      prompt: 'required',
      promptCharactersMax: 32_000,
    },
  ],
  replicate: [
    {
      stepType: 'point-cloud',
      modelPrefix: '',
      picture: 'required',
      prompt: 'refused',
      promptCharactersMax: 0,
    },
  ],
  tripo: [
    {
      stepType: '3d-gen',
      modelPrefix: '',
      picture: 'required',
      prompt: 'refused',
      promptCharactersMax: 0,
    },
  ],
  google: [
    {
      stepType: 'image-gen',
      modelPrefix: 'gemini-',
      picture: 'optional',
      prompt: 'required',
      promptCharactersMax: 32_000,
    },
  ],
}

/** The row that covers a step at a provider, or undefined when the provider can't run it. */
export function findCapability(
  provider: ProviderType,
  step: { readonly type: StepType; readonly providerModel: string },
): Capability | undefined {
  return capabilities[provider].find(
    row => row.stepType === step.type && step.providerModel.startsWith(row.modelPrefix),
  )
}

/** Refuses an input that the model can't honour: INVALID_INPUT with the field and the way out. */
export function requireHonoured(capability: Capability, input: StepInput): void {
  const faults = [
    ...faultOf('assetId', capability.picture, input.hasPicture, 'picture'),
    ...faultOf('prompt', capability.prompt, input.prompt !== undefined, 'prompt'),
  ]
  const { prompt = '' } = input
  if (faults.length === 0 && prompt.length > capability.promptCharactersMax) {
    const suggestion = `Shorten it to ${capability.promptCharactersMax} characters.`
    faults.push({ field: 'input.prompt', suggestion })
  }
  const [fault] = faults
  if (fault !== undefined) throw new AppError('INVALID_INPUT', { details: fault })
}

function faultOf(name: string, need: Need, isGiven: boolean, noun: string) {
  const field = `input.${name}`
  if (need === 'required' && !isGiven) return [{ field, suggestion: `This tool needs a ${noun}.` }]
  if (need === 'refused' && isGiven) return [{ field, suggestion: `This tool takes no ${noun}.` }]
  return []
}
