import { AppError, type ProblemCode } from '@funmagic/contract/problem'
import type { TaskInput } from '@funmagic/contract/task'
import type { ProviderType, StepType } from '@funmagic/contract/tool'
import { capabilities, type Capability } from './models.ts'

/** The parts of a task's input that a capability speaks about. */
export interface StepInput {
  readonly hasPicture: boolean
  readonly hasMask?: boolean
  /** The user's words together with those of the chosen style. */
  readonly prompt: string | undefined
  readonly negativePrompt?: string | undefined
  readonly size?: string | undefined
  readonly seed?: number | undefined
}

/** The same of a task as it is recorded. */
export function stepInputOf(
  { assetId, maskAssetId, prompt, negativePrompt, size, seed }: TaskInput,
  inheritsPicture: boolean,
): StepInput {
  const hasPicture = assetId !== undefined || inheritsPicture
  const hasMask = maskAssetId !== undefined
  return { hasPicture, hasMask, prompt, negativePrompt, size, seed }
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

/**
 * Refuses, before it is paid for, what the model would ignore or reject, with the field and the way
 * out: UNSUPPORTED_INPUT for what it does not take, INVALID_INPUT for what is missing or too long.
 */
export function requireHonoured(capability: Capability, input: StepInput): void {
  const [fault] = [...unsupported(capability, input), ...lacking(capability, input)]
  if (fault === undefined) return
  const { code, field, suggestion } = fault
  throw new AppError(code, { details: { field: `input.${field}`, suggestion } })
}

/** Whether the provider's model does this very step with all that is in the input. */
export function canHonour(
  provider: ProviderType,
  step: { readonly type: StepType; readonly providerModel: string },
  input: StepInput,
): boolean {
  const capability = findCapability(provider, step)
  if (capability === undefined) return false
  return unsupported(capability, input).length === 0 && lacking(capability, input).length === 0
}

interface Fault {
  readonly code: ProblemCode
  readonly field: string
  readonly suggestion: string
}

function unsupported(capability: Capability, input: StepInput): Fault[] {
  const { sizes } = capability
  const isOther = input.size !== undefined && !sizes.includes(input.size)
  const choice =
    sizes.length === 0 ? 'This tool chooses the size itself.' : `Choose of ${sizes.join(', ')}.`
  const isBoth = capability.isEitherOr && input.hasPicture && input.prompt !== undefined
  const refused: readonly [boolean, string, string][] = [
    [capability.picture === 'refused' && input.hasPicture, 'assetId', 'It takes no picture.'],
    [
      capability.prompt === 'refused' && input.prompt !== undefined,
      'prompt',
      'It takes no prompt.',
    ],
    [isBoth, 'prompt', 'Give it a picture or a prompt, not both.'],
    [isOther, 'size', choice],
    [input.seed !== undefined && !capability.seed, 'seed', 'It takes no seed.'],
    [
      input.negativePrompt !== undefined && !takesNegative(capability, input),
      'negativePrompt',
      'Say in the prompt what is not wanted.',
    ],
    [
      input.hasMask === true && !(capability.mask && input.hasPicture),
      'maskAssetId',
      capability.mask ? 'A mask needs the picture that it is for.' : 'It takes no mask.',
    ],
  ]
  return refused.flatMap(([isRefused, field, suggestion]) =>
    isRefused ? [{ code: 'UNSUPPORTED_INPUT', field, suggestion } as const] : [],
  )
}

/** A prompt is what a negative one goes with. */
function takesNegative(
  { negativePromptCharactersMax }: Capability,
  { prompt, negativePrompt = '' }: StepInput,
): boolean {
  return prompt !== undefined && negativePrompt.length <= negativePromptCharactersMax
}

function lacking(capability: Capability, { hasPicture, prompt }: StepInput): Fault[] {
  const { picture, promptCharactersMax: max, isEitherOr } = capability
  const isWithout = isEitherOr && !hasPicture && prompt === undefined
  const missing: readonly [boolean, string, string][] = [
    [picture === 'required' && !hasPicture, 'assetId', 'This tool needs a picture.'],
    [isWithout, 'assetId', 'This tool needs a picture, or a prompt.'],
    [capability.prompt === 'required' && prompt === undefined, 'prompt', 'It needs a prompt.'],
    [(prompt ?? '').length > max, 'prompt', `Shorten it to ${max} characters.`],
  ]
  return missing.flatMap(([isMissing, field, suggestion]) =>
    isMissing ? [{ code: 'INVALID_INPUT', field, suggestion } as const] : [],
  )
}
