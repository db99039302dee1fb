import {
  modelsOf,
  type ProviderType,
  type ToolConfig,
  type ToolStep,
} from '@funmagic/contract/tool'
import { findCapability } from '@funmagic/provider/capability'
import { capabilities } from '@funmagic/provider/models'
import { priceOf } from '@funmagic/task/tool-changes'
import type { Fault } from './faults.ts'

export interface ToolSurroundings {
  readonly providers: ReadonlyMap<string, ProviderType>
  readonly cdnUrl: string
}

const configBytesMax = 64 * 1024
const priceMax = 1_000_000

/** What the form of a config does not say: each fault with its place in the body (T7, V2). */
export function toolFaults(config: ToolConfig, surroundings: ToolSurroundings): Fault[] {
  const { steps, styleReferences = [] } = config
  return [
    ...sizeFaults(config),
    ...duplicates(steps, '/config/steps'),
    ...steps.flatMap((step, place) => stepFaults(step, place, surroundings.providers)),
    ...duplicates(styleReferences, '/config/styleReferences'),
    ...styleReferences.flatMap(({ imageUrl }, place) =>
      imageUrl === undefined || isOnCdn(imageUrl, surroundings.cdnUrl)
        ? []
        : [
            {
              pointer: `/config/styleReferences/${place}/imageUrl`,
              message: 'Use the address of a picture on our own CDN: upload and publish it first.',
            },
          ],
    ),
  ]
}

function sizeFaults(config: ToolConfig): Fault[] {
  const bytes = Buffer.byteLength(JSON.stringify(config))
  const tooLarge = `It has ${bytes} bytes; ${configBytesMax} at most.`
  const tooDear = `The steps cost ${priceOf(config)} together; ${priceMax} at most.`
  return [
    ...(bytes > configBytesMax ? [{ pointer: '/config', message: tooLarge }] : []),
    ...(priceOf(config) > priceMax ? [{ pointer: '/config/steps', message: tooDear }] : []),
  ]
}

function duplicates(items: readonly { id: string }[], pointer: string): Fault[] {
  return items.flatMap(({ id }, place) =>
    items.findIndex(item => item.id === id) === place
      ? []
      : [{ pointer: `${pointer}/${place}/id`, message: `There is another ${id} before it.` }],
  )
}

type Providers = ReadonlyMap<string, ProviderType>

/** Each of the models must be able to do the step, and none is named twice. */
function stepFaults(step: ToolStep, place: number, providers: Providers): Fault[] {
  const pointer = `/config/steps/${place}`
  return modelsOf(step).flatMap((model, turn, models) => {
    const at = turn === 0 ? pointer : `${pointer}/fallbacks/${turn - 1}`
    const { providerId, providerModel } = model
    const first = models.findIndex(
      other => other.providerId === providerId && other.providerModel === providerModel,
    )
    if (first < turn) {
      return [{ pointer: `${at}/providerModel`, message: 'The step names this model before.' }]
    }
    return modelFaults({ ...step, ...model }, at, providers)
  })
}

function modelFaults(step: ToolStep, pointer: string, providers: Providers): Fault[] {
  const type = providers.get(step.providerId)
  if (type === undefined) {
    return [{ pointer: `${pointer}/providerId`, message: 'There is no such provider.' }]
  }
  if (findCapability(type, step) !== undefined) return []
  const able = capabilities[type].map(row => `${row.stepType} with ${row.modelPrefix || 'any'}…`)
  const offer = able.length === 0 ? 'nothing yet' : able.join(', ')
  const message = `${type} cannot run ${step.type} with this model; it runs ${offer}.`
  return [{ pointer: `${pointer}/providerModel`, message }]
}

/** Anything else would have strangers see who looks at our tools, and could change under us. */
function isOnCdn(address: string, cdnUrl: string): boolean {
  if (!URL.canParse(address)) return false
  const { origin, username, password } = new URL(address)
  return origin === new URL(cdnUrl).origin && username === '' && password === ''
}
