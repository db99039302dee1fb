import type { Canvas } from '../pictures/painting.ts'
import { fieldsOf } from './exchange.ts'

/** A refusal in the form of google.rpc.Status. */
export class GoogleError extends Error {
  readonly status: number
  readonly #name: string
  readonly #details: readonly object[] | undefined

  constructor(
    status: number,
    name: string,
    message: string,
    more: { cause?: unknown; details?: readonly object[] } = {},
  ) {
    super(message, { cause: more.cause })
    this.status = status
    this.#name = name
    this.#details = more.details
  }

  get body(): unknown {
    const { status: code, message } = this
    const details = this.#details && { details: this.#details }
    return { error: { code, message, status: this.#name, ...details } }
  }
}

export const imageModels = ['gemini-2.5-flash-image', 'gemini-3-pro-image-preview'] as const
const picturesMax = 14

/** Width and height of a picture of each ratio (Gemini, "Image generation"). */
const canvases: Readonly<Record<string, readonly [number, number]>> = {
  '1:1': [1024, 1024],
  '2:3': [832, 1248],
  '3:2': [1248, 832],
  '3:4': [864, 1184],
  '4:3': [1184, 864],
  '4:5': [896, 1152],
  '5:4': [1152, 896],
  '9:16': [768, 1344],
  '16:9': [1344, 768],
  '21:9': [1536, 672],
}

export interface Order {
  readonly model: string
  readonly prompt: string
  readonly pictures: readonly Buffer[]
  readonly aspectRatio: string
}

/** Reads a call of generateContent; throws GoogleError. */
export function readOrder(model: string, body: unknown): Order {
  if (!imageModels.some(known => known === model)) {
    const message =
      `models/${model} is not found for API version v1beta, or is not supported for ` +
      'generateContent. Call ListModels to see the list of available models.'
    throw new GoogleError(404, 'NOT_FOUND', message)
  }
  const { contents, generationConfig } = fieldsOf(body)
  const parts = Array.isArray(contents) ? contents.flatMap(partsOf) : []
  const prompt = parts.flatMap(part => (typeof part['text'] === 'string' ? [part['text']] : []))
  if (prompt.join('').trim() === '') throw invalid('contents is not specified')
  const pictures = parts.flatMap(pictureOf)
  if (pictures.length > picturesMax) throw invalid('Too many images in the request.')
  return { model, prompt: prompt.join('\n'), pictures, aspectRatio: readRatio(generationConfig) }
}

function partsOf(content: unknown): Record<string, unknown>[] {
  const { parts } = fieldsOf(content)
  return Array.isArray(parts) ? parts.map(fieldsOf) : []
}

function pictureOf(part: Record<string, unknown>): Buffer[] {
  if (part['inlineData'] === undefined) return []
  const { mimeType, data } = fieldsOf(part['inlineData'])
  const isPicture = typeof mimeType === 'string' && mimeType.startsWith('image/')
  if (!isPicture || typeof data !== 'string') throw invalid('Unsupported MIME type in inlineData.')
  return [Buffer.from(data, 'base64')]
}

function readRatio(generationConfig: unknown): string {
  const { responseModalities, imageConfig } = fieldsOf(generationConfig)
  if (responseModalities !== undefined && !Array.isArray(responseModalities)) {
    throw invalid('Invalid value at generation_config.response_modalities')
  }
  const { aspectRatio = '1:1' } = fieldsOf(imageConfig)
  if (typeof aspectRatio === 'string' && Object.hasOwn(canvases, aspectRatio)) return aspectRatio
  throw invalid('Invalid value at generation_config.image_config.aspect_ratio')
}

export function canvasOf(aspectRatio: string): Canvas {
  const [width, height] = canvases[aspectRatio] ?? [1024, 1024]
  return { width, height }
}

function invalid(message: string): GoogleError {
  return new GoogleError(400, 'INVALID_ARGUMENT', message)
}
