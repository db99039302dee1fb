import type { Asset } from '@funmagic/asset/asset'
import { findAsset, findAssetByKey, listAssetsOfTasks } from '@funmagic/asset/catalog'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { uploadMimeTypes } from '@funmagic/contract/asset'
import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { TaskInput } from '@funmagic/contract/task'
import type { StepType, ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { findCapability, requireHonoured } from '@funmagic/provider/capability'
import type { Capability } from '@funmagic/provider/models'
import type { Provider } from '@funmagic/provider/providers'
import type { Tool } from '@funmagic/task/catalog'
import { isFinished } from '@funmagic/task/task-state'
import type { Task } from '@funmagic/task/tasks'

export interface InputDeps {
  readonly database: Database
  readonly links: Pick<AssetLinks, 'findKey'>
}

export interface GivenInput {
  readonly userId: UserId
  readonly tool: Tool
  readonly step: ToolStep
  /** Of the step's first model. */
  readonly provider: Provider | undefined
  readonly parent: Task | undefined
  readonly input: TaskInput
}

/** What a task is to work on, as it is recorded. */
export interface TaskWork {
  readonly input: TaskInput
  /** Its picture is the first one that its parent, which is unfinished, will have made. */
  readonly inheritsPicture: boolean
}

/**
 * What the task is to work on, as it is recorded: a picture is always the id of the user's own
 * asset, however it was named (A14), and the prompt holds the words of the chosen style, so that
 * the task keeps them when the tool changes (T7). A later step without a picture takes the first
 * one that its parent made, or will have made. Throws NOT_FOUND for a picture that is not the
 * user's, and INVALID_INPUT or UNSUPPORTED_INPUT, naming the field, for what the step's model
 * would reject or ignore.
 */
export async function readInput(deps: InputDeps, given: GivenInput): Promise<TaskWork> {
  const capability = readCapability(given)
  const asset = (await findNamed(deps, given)) ?? (await findInherited(deps, given, capability))
  const inheritsPicture = asset === undefined && willInherit(given, capability)
  const prompt = promptOf(given.tool, given.input)
  const { negativePrompt, size, seed, maskAssetId } = given.input
  const options = { negativePrompt, size, seed }
  const hasPicture = asset !== undefined || inheritsPicture
  const hasMask = maskAssetId !== undefined
  requireHonoured(capability, { hasPicture, hasMask, prompt, ...options })
  if (hasMask) await requireMask(deps, given, asset)
  const input = withoutUndefined({ assetId: asset?.id, prompt, maskAssetId, ...options })
  return { input, inheritsPicture }
}

/** A mask is the user's own, and covers the picture exactly: the model would refuse another. */
async function requireMask(
  { database }: InputDeps,
  { userId, input }: GivenInput,
  picture: Asset | undefined,
): Promise<void> {
  const mask =
    input.maskAssetId && (await findAsset(database, { userId, assetId: input.maskAssetId }))
  if (!mask) throw new AppError('NOT_FOUND', { details: { field: 'input.maskAssetId' } })
  if (mask.mimeType !== 'image/png') throw invalid('maskAssetId', 'A mask is a PNG.')
  const isAlike = mask.width === picture?.width && mask.height === picture?.height
  if (!isAlike) throw invalid('maskAssetId', 'The mask must be as large as the picture.')
}

function withoutUndefined(input: {
  readonly [Name in keyof TaskInput]?: TaskInput[Name] | undefined
}): TaskInput {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
}

/** A step that nobody can run is an operator's fault, but the user must not pay to learn it. */
function readCapability({ provider, step }: GivenInput): Capability {
  const capability = provider && findCapability(provider.type, step)
  if (capability !== undefined) return capability
  const suggestion = 'This step cannot be run at the moment. Choose another one.'
  throw new AppError('INVALID_INPUT', { details: { field: 'stepId', suggestion } })
}

const pictureFields = ['assetId', 'imageStorageKey', 'imageUrl'] as const

async function findNamed(deps: InputDeps, given: GivenInput): Promise<Asset | undefined> {
  const fields = pictureFields.filter(name => given.input[name] !== undefined)
  const [field, second] = fields
  if (field === undefined) return undefined
  if (second !== undefined) throw invalid(second, 'Name the picture in one way only.')

  const asset = await findOwn(deps, given)
  if (asset === undefined) throw new AppError('NOT_FOUND', { details: { field: `input.${field}` } })
  if (!isPicture(asset)) throw invalid(field, 'Choose a picture.')
  return asset
}

async function findOwn(deps: InputDeps, given: GivenInput): Promise<Asset | undefined> {
  const { database, links } = deps
  const { userId } = given
  const { assetId, imageStorageKey, imageUrl } = given.input
  if (assetId !== undefined) return findAsset(database, { userId, assetId })
  const storageKey = imageStorageKey ?? (imageUrl && links.findKey(imageUrl))
  if (storageKey === undefined) {
    throw invalid('imageUrl', 'Only addresses on our own CDN are taken. Upload the picture first.')
  }
  return findAssetByKey(database, { userId, storageKey })
}

async function findInherited(
  { database }: InputDeps,
  { userId, parent }: GivenInput,
  capability: Capability,
): Promise<Asset | undefined> {
  if (parent?.status !== 'completed' || capability.picture === 'refused') return undefined
  const assets = await listAssetsOfTasks(database, { userId, taskIds: [parent.id] })
  return assets.get(parent.id)?.find(isPicture)
}

const pictureSteps: readonly StepType[] = ['background-remove', 'image-gen']

function willInherit({ parent, input }: GivenInput, { picture }: Capability): boolean {
  if (parent === undefined || isFinished(parent.status) || picture === 'refused') return false
  if (pictureFields.some(name => input[name] !== undefined)) return false
  return pictureSteps.includes(parent.step.type)
}

function promptOf(tool: Tool, { prompt, styleReferenceId }: TaskInput): string | undefined {
  if (prompt !== undefined && /^[\s\p{C}]*$/u.test(prompt))
    throw invalid('prompt', 'Say something.')
  if (styleReferenceId === undefined) return prompt
  const style = tool.config.styleReferences?.find(({ id }) => id === styleReferenceId)
  if (style === undefined) throw invalid('styleReferenceId', 'This tool has no such style.')
  return prompt === undefined ? style.prompt : `${prompt}\n\n${style.prompt}`
}

function isPicture(asset: Asset): boolean {
  const mimeTypes: readonly string[] = uploadMimeTypes
  return mimeTypes.includes(asset.mimeType)
}

function invalid(field: keyof TaskInput, suggestion: string): AppError {
  return new AppError('INVALID_INPUT', { details: { field: `input.${field}`, suggestion } })
}
