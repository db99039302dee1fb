import type { Form, Upload } from './multipart.ts'

/** A refusal in OpenAI's form of error body. */
export class OpenAiError extends Error {
  readonly status: number
  readonly code: string | null
  readonly param: string | null
  readonly type: string

  constructor(
    message: string,
    error: {
      status?: number
      code: string | null
      param?: string
      type?: string
      cause?: unknown
    },
  ) {
    super(message, { cause: error.cause })
    this.status = error.status ?? 400
    this.code = error.code
    this.param = error.param ?? null
    this.type = error.type ?? 'invalid_request_error'
  }

  get body(): { error: Record<string, string | null> } {
    const { message, type, param, code } = this
    return { error: { message, type, param, code } }
  }
}

export const imageModels = ['gpt-image-1.5', 'gpt-image-1-mini'] as const
const sizes = ['1024x1024', '1024x1536', '1536x1024', 'auto'] as const
const qualities = ['low', 'medium', 'high', 'auto'] as const
const formats = ['png', 'jpeg', 'webp'] as const
const backgrounds = ['transparent', 'opaque', 'auto'] as const
const promptLengthMax = 32_000

export interface ImageOrder {
  readonly model: string
  readonly prompt: string
  readonly count: number
  readonly size: (typeof sizes)[number]
  readonly quality: 'low' | 'medium' | 'high'
  readonly format: (typeof formats)[number]
  readonly background: 'transparent' | 'opaque'
  readonly compression: number
  /** How many drafts to show on the way; undefined when it is answered in one piece. */
  readonly drafts: number | undefined
}

const names = [
  'model',
  'prompt',
  'n',
  'size',
  'quality',
  'output_format',
  'output_compression',
  'background',
  'user',
  'safety_identifier',
  'stream',
  'partial_images',
]
const generationNames = new Set([...names, 'moderation'])
const editNames = new Set([...names, 'input_fidelity'])

type Values = Readonly<Record<string, unknown>>

/** Reads the body of POST /images/generations; throws OpenAiError. */
export function readGeneration(body: unknown): ImageOrder {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new OpenAiError('We could not parse the JSON body of your request.', { code: null })
  }
  const values: Values = { ...body }
  refuseUnknown(Object.keys(values), generationNames)
  oneOf(values, 'moderation', ['low', 'auto'], 'auto')
  return readOrder(values)
}

export interface ImageEdit extends ImageOrder {
  readonly images: readonly Upload[]
  readonly mask: Upload | undefined
}

const imagesMax = 16

/** Reads the form of POST /images/edits; throws OpenAiError. */
export function readEdit(form: Form): ImageEdit {
  refuseUnknown([...form.fields.keys()], editNames)
  refuseUnknown([...form.files.keys()], new Set(['image', 'image[]', 'mask']))
  const values: Record<string, unknown> = {}
  for (const [name, [value = '']] of form.fields) {
    const isNumber = ['n', 'output_compression', 'partial_images'].includes(name)
    values[name] = isNumber ? Number(value) : name === 'stream' ? value === 'true' : value
  }
  const images = [...(form.files.get('image') ?? []), ...(form.files.get('image[]') ?? [])]
  if (images.length === 0) throw missing('image')
  if (images.length > imagesMax) {
    throw new OpenAiError(`Invalid 'image': at most ${imagesMax} images are allowed.`, {
      code: 'array_above_max_length',
      param: 'image',
    })
  }
  oneOf(values, 'input_fidelity', ['low', 'high'], 'low')
  return { ...readOrder(values), images, mask: form.files.get('mask')?.[0] }
}

function readOrder(values: Values): ImageOrder {
  const quality = oneOf(values, 'quality', qualities, 'auto')
  const background = oneOf(values, 'background', backgrounds, 'auto')
  const format = oneOf(values, 'output_format', formats, 'png')
  if (background === 'transparent' && format === 'jpeg') {
    throw new OpenAiError('Transparent background is not supported for jpeg output.', {
      code: 'invalid_value',
      param: 'background',
    })
  }
  const drafts = integer(values, 'partial_images', { min: 0, max: 3, otherwise: 0 })
  return {
    model: readModel(values['model']),
    prompt: readPrompt(values['prompt']),
    count: integer(values, 'n', { min: 1, max: 10, otherwise: 1 }),
    size: oneOf(values, 'size', sizes, 'auto'),
    quality: quality === 'auto' ? 'medium' : quality,
    format,
    background: background === 'transparent' ? 'transparent' : 'opaque',
    drafts: values['stream'] === true ? drafts : undefined,
    compression: integer(values, 'output_compression', { min: 0, max: 100, otherwise: 100 }),
  }
}

function readModel(model: unknown): string {
  if (typeof model !== 'string') throw missing('model')
  if (!imageModels.some(known => known === model)) {
    throw new OpenAiError(`The model '${model}' does not exist or you do not have access to it.`, {
      status: 404,
      code: 'model_not_found',
    })
  }
  return model
}

function readPrompt(prompt: unknown): string {
  if (typeof prompt !== 'string' || prompt === '') throw missing('prompt')
  if (prompt.length > promptLengthMax) {
    throw new OpenAiError(
      `Invalid 'prompt': string too long. Expected a string with maximum length ` +
        `${promptLengthMax}, but got a string with length ${prompt.length} instead.`,
      { code: 'string_above_max_length', param: 'prompt' },
    )
  }
  return prompt
}

function oneOf<const T extends string>(
  values: Values,
  name: string,
  allowed: readonly T[],
  otherwise: T,
): T {
  const value = values[name]
  if (value === undefined || value === null) return otherwise
  const known = allowed.find(candidate => candidate === value)
  if (known !== undefined) return known
  const choice = allowed.map(candidate => `'${candidate}'`).join(', ')
  throw new OpenAiError(`Invalid value: '${String(value)}'. Supported values are: ${choice}.`, {
    code: 'invalid_value',
    param: name,
  })
}

function integer(
  values: Values,
  name: string,
  bounds: { min: number; max: number; otherwise: number },
): number {
  const value = values[name]
  if (value === undefined || value === null) return bounds.otherwise
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new OpenAiError(`Invalid type for '${name}': expected an integer.`, {
      code: 'invalid_type',
      param: name,
    })
  }
  if (value >= bounds.min && value <= bounds.max) return value
  const isBelow = value < bounds.min
  throw new OpenAiError(
    `Invalid '${name}': integer ${isBelow ? 'below minimum' : 'above maximum'} value. ` +
      `Expected a value ${isBelow ? `>= ${bounds.min}` : `<= ${bounds.max}`}, but got ${value}.`,
    { code: isBelow ? 'integer_below_min_value' : 'integer_above_max_value', param: name },
  )
}

function refuseUnknown(given: readonly string[], known: ReadonlySet<string>): void {
  const unknown = given.find(name => !known.has(name))
  if (unknown === undefined) return
  throw new OpenAiError(`Unknown parameter: '${unknown}'.`, {
    code: 'unknown_parameter',
    param: unknown,
  })
}

function missing(name: string): OpenAiError {
  return new OpenAiError(`Missing required parameter: '${name}'.`, {
    code: 'missing_required_parameter',
    param: name,
  })
}
