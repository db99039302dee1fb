import OpenAI, { toFile } from 'openai'
import Type from 'typebox'
import { Value } from 'typebox/value'
import { createExchange, type Fetch } from './exchange.ts'
import {
  ProviderFailure,
  type FailureKind,
  type GenerationRequest,
  type ProgressUpdate,
  type Provider,
} from './provider.ts'
import type { ProviderAccount } from './account.ts'

const Images = Type.Object({
  data: Type.Array(Type.Object({ b64_json: Type.String({ minLength: 1 }) }), {
    minItems: 1,
    maxItems: 8,
  }),
})

type Report = (update: ProgressUpdate) => void

// A picture of 4096 × 4096 as PNG at its worst, in base64.
const responseBytesMax = 70_000_000
const generateTimeoutMs = 3_600_000

/**
 * OpenAI's Images API (platform.openai.com/docs/api-reference/images). It answers with the
 * picture itself, so there is nothing to re-attach to: a result that was not taken is gone.
 */
export function openOpenaiImages(account: ProviderAccount): Provider {
  const { apiKey, baseUrl } = account
  const exchange = createExchange({
    provider: 'openai',
    hosts: ['api.openai.com'],
    baseUrl,
    responseBytesMax,
    kindOf,
    observe: account.observe,
  })
  // The SDK takes what is not given from the environment, so all is given.
  const connect = (fetch: Fetch) =>
    new OpenAI({
      apiKey,
      // Without the class beside it, the SDK makes a request of its own to find it (uploads.ts).
      fetch: Object.assign(fetch, { Response }),
      baseURL: baseUrl,
      organization: null,
      project: null,
      maxRetries: 0,
      timeout: generateTimeoutMs,
      logLevel: 'off',
    })

  return {
    outputHosts: [],

    async submit(request, signal, report = () => undefined) {
      const prompt = promptOf(request)
      // The step's time, in the caller's signal, is the real bound.
      const terms = { operation: 'submit', timeoutMs: generateTimeoutMs, signal } as const
      const images: unknown = await exchange(terms, async fetch =>
        makeImages(connect(fetch), { request, prompt }, report).catch((error: unknown) => {
          throw asOutcome(error)
        }),
      )
      if (!Value.Check(Images, images)) {
        throw new ProviderFailure('bad_response', 'the answer has no picture')
      }
      const outputs = images.data.map(({ b64_json: text }) => {
        return { kind: 'bytes', bytes: Buffer.from(text, 'base64') } as const
      })
      return { kind: 'finished', outputs }
    },

    async resume() {
      throw new ProviderFailure('expired', 'OpenAI keeps no result that was not taken')
    },

    async cancel() {
      // A call ends with its connection; there is nothing left to stop.
    },
  }
}

const partialsMax = 2

async function makeImages(
  openai: OpenAI,
  { request, prompt }: { readonly request: GenerationRequest; readonly prompt: string },
  report: Report,
): Promise<unknown> {
  const events = await openEvents(openai, request, prompt)
  const data: { b64_json: string }[] = []
  for await (const event of events) {
    const draft = { b64_json: event.b64_json }
    if (event.type.endsWith('.completed')) data.push(draft)
    else report(progressOf(event))
  }
  if (data.length > 0) return { data }
  throw new ProviderFailure('bad_response', 'the answer has no picture')
}

async function openEvents(
  openai: OpenAI,
  { model, picture, size, mask, reference }: GenerationRequest,
  prompt: string,
): Promise<AsyncIterable<OpenAI.ImageGenStreamEvent | OpenAI.ImageEditStreamEvent>> {
  const options = { headers: { 'X-Client-Request-Id': reference } }
  const order = {
    model,
    prompt,
    n: 1,
    output_format: 'png',
    stream: true,
    partial_images: partialsMax,
    ...(size && { size }),
  } as const
  if (picture === undefined) return openai.images.generate(order, options)
  const image = await toFile(picture.bytes, 'picture', { type: picture.mimeType })
  if (mask === undefined) return openai.images.edit({ ...order, image }, options)
  const masking = await toFile(mask.bytes, 'mask.png', { type: mask.mimeType })
  return openai.images.edit({ ...order, image, mask: masking }, options)
}

function progressOf(
  event: OpenAI.ImageGenStreamEvent | OpenAI.ImageEditStreamEvent,
): ProgressUpdate {
  const place = 'partial_image_index' in event ? event.partial_image_index + 1 : 1
  return {
    fraction: Math.min(1, place / (partialsMax + 1)),
    message: 'The picture is taking shape',
    draft: Buffer.from(event.b64_json, 'base64'),
  }
}

/** What goes wrong in the middle of the events has no status any more. */
function asOutcome(error: unknown): unknown {
  if (!(error instanceof OpenAI.APIError) || error.status !== undefined) return error
  const isRefusal = error.type?.includes('user_error') === true
  const isModerated = moderationCodes.some(code => code === error.code)
  const kind = isModerated ? 'moderated' : isRefusal ? 'rejected' : 'unavailable'
  return new ProviderFailure(kind, `the events ended with an error: ${error.code ?? 'unnamed'}`)
}

function promptOf({ stepType, prompt }: GenerationRequest): string {
  if (stepType === 'image-gen' && prompt !== undefined) return prompt
  throw new ProviderFailure('misconfigured', `openai does not run ${stepType} on this input`)
}

const moderationCodes = ['moderation_blocked', 'content_policy_violation'] as const

/** An account without money is answered like too many requests, but waiting does not help. */
function kindOf(status: number, body: string): FailureKind | undefined {
  const isOutOfMoney = /"(insufficient_quota|billing_hard_limit_reached)"/.test(body)
  if (status === 400 && /"(moderation_blocked|content_policy_violation)"/.test(body)) {
    return 'moderated'
  }
  return isOutOfMoney && (status === 429 || status === 400) ? 'misconfigured' : undefined
}
