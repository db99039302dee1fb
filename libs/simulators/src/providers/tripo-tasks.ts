import { paint } from '../pictures/painting.ts'
import { PictureError, readPicture, type Picture } from '../pictures/picture.ts'
import { liftPixels } from '../pictures/point-cloud.ts'
import { writeGlb } from '../pictures/relief.ts'
import type { Workshop } from '../pictures/workshop.ts'
import { deliver } from './deliveries.ts'
import { fieldsOf } from './exchange.ts'
import type { FileStore } from './file-store.ts'
import { InputError, readInput } from './inputs.ts'
import type { WorkMode } from './scripts.ts'

/** A refusal in Tripo's form: a code, a sentence, and what to do about it. */
export class TripoError extends Error {
  readonly status: number
  readonly code: number
  readonly suggestion: string

  constructor(status: number, code: number, message: string, suggestion = 'Check the request.') {
    super(message)
    this.status = status
    this.code = code
    this.suggestion = suggestion
  }

  get body(): unknown {
    const { code, message, suggestion } = this
    return { code, message, suggestion }
  }
}

const modelVersions = ['v3.0-20250812', 'v2.5-20250123', 'v2.0-20240919'] as const
const deprecatedVersion = 'v1.3-20240522'
const promptLengthMax = 1024
const negativeLengthMax = 255
const previewSide = 512
// Sixteen bits of index reach four times as many points.
const reliefSide = 127

export interface TripoOrder {
  readonly type: 'image_to_model' | 'text_to_model'
  readonly version: string
  /** What the model is made from: an uploaded file, an address, or words. */
  readonly source: { readonly fileUri: string } | { readonly prompt: string }
}

/** Reads the body of POST /task; throws TripoError. */
export function readOrder(body: unknown, files: FileStore): TripoOrder {
  const values = fieldsOf(body)
  const version = readVersion(values['model_version'])
  requireInteger(values, 'model_seed')
  switch (values['type']) {
    case 'image_to_model':
      return { type: 'image_to_model', version, source: { fileUri: readFile(values, files) } }
    case 'text_to_model':
      requireInteger(values, 'image_seed')
      readText(values['negative_prompt'] ?? 'none', negativeLengthMax)
      return {
        type: 'text_to_model',
        version,
        source: { prompt: readText(values['prompt'], promptLengthMax) },
      }
    default:
      throw new TripoError(400, 2002, 'This task type is not supported')
  }
}

function readVersion(value: unknown): string {
  const version = value ?? 'v2.5-20250123'
  if (version === deprecatedVersion) {
    throw new TripoError(400, 2015, 'The version has been deprecated', 'Try higher version please.')
  }
  const known = modelVersions.find(candidate => candidate === version)
  if (known === undefined) throw new TripoError(400, 2017, 'Invalid model version')
  return known
}

function readFile(values: Readonly<Record<string, unknown>>, files: FileStore): string {
  const { file_token: token, url } = fieldsOf(values['file'])
  if (typeof url === 'string') return url
  if (typeof token !== 'string') throw new TripoError(400, 2003, 'The input file is empty')
  if (files.find(token) === undefined) throw new TripoError(404, 2019, 'File not found')
  return `http://uploads/${token}`
}

function readText(value: unknown, lengthMax: number): string {
  if (typeof value !== 'string' || value === '' || value.length > lengthMax) {
    throw new TripoError(400, 1004, 'One or more of your parameter is invalid')
  }
  return value
}

function requireInteger(values: Readonly<Record<string, unknown>>, name: string): void {
  const value = values[name]
  if (value === undefined || Number.isSafeInteger(value)) return
  throw new TripoError(400, 1004, 'One or more of your parameter is invalid')
}

export interface TripoRun {
  readonly files: FileStore
  readonly workshop: Workshop
  readonly mode: WorkMode
  readonly origin: string
}

export interface TripoOutput {
  readonly pbr_model: string
  readonly rendered_image: string
}

/** A relief of the picture, or of one painted by the prompt, and a preview of it. */
export async function buildModel(
  { source }: TripoOrder,
  { files, workshop, mode, origin }: TripoRun,
): Promise<TripoOutput> {
  const bytes =
    'prompt' in source
      ? await paint(source.prompt, { width: 512, height: 512 }).png().toBuffer()
      : await readInput(source.fileUri, files)
  const made = await workshop(async () => {
    const picture = await readPicture(bytes)
    const glb = writeGlb(await liftPixels(picture, reliefSide))
    return { glb, preview: await renderPreview(picture) }
  })
  const path = '/tripo/files'
  const model = { name: 'model.glb', contentType: 'model/gltf-binary', bytes: made.glb }
  const preview = { name: 'rendered.webp', contentType: 'image/webp', bytes: made.preview }
  return {
    pbr_model: deliver(files, model, { mode, origin, path }).url,
    rendered_image: deliver(files, preview, { mode: previewModeOf(mode), origin, path }).url,
  }
}

/** Only one script is about the preview; the others spoil the model and leave the preview. */
function previewModeOf(mode: WorkMode): WorkMode {
  return mode === 'missing-preview' ? 'missing-output' : 'ok'
}

async function renderPreview(picture: Picture): Promise<Buffer> {
  const fit = { width: previewSide, height: previewSide, fit: 'inside' } as const
  return picture.open().resize(fit).webp().toBuffer()
}

/** What the status of a task that was given up says about it. */
export function errorOf(failure: unknown): { error_code: number; error_msg: string } {
  const isInputs = failure instanceof PictureError || failure instanceof InputError
  if (isInputs) return { error_code: 2004, error_msg: 'The file type is unsupported' }
  return { error_code: 1000, error_msg: 'The task failed' }
}
