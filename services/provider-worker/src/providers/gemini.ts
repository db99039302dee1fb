import { GoogleGenAI, type ContentListUnion } from '@google/genai'
import Type from 'typebox'
import { Value } from 'typebox/value'
import type { ProviderAccount } from './account.ts'
import { createExchange, type Fetch } from './exchange.ts'
import {
  ProviderFailure,
  type FailureKind,
  type GenerationRequest,
  type Provider,
  type ProviderOutput,
} from './provider.ts'

const Answer = Type.Object({
  promptFeedback: Type.Optional(Type.Object({ blockReason: Type.Optional(Type.String()) })),
  candidates: Type.Optional(
    Type.Array(
      Type.Object({
        finishReason: Type.Optional(Type.String({ maxLength: 100 })),
        content: Type.Optional(
          Type.Object({ parts: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 64 })) }),
        ),
      }),
      { maxItems: 8 },
    ),
  ),
})
const Picture = Type.Object({
  inlineData: Type.Object({ data: Type.String({ minLength: 1 }) }),
  /** A draft that the model made on its way. */
  thought: Type.Optional(Type.Boolean()),
})

const vendorUrl = 'https://generativelanguage.googleapis.com'
const responseBytesMax = 70_000_000
const generateTimeoutMs = 3_600_000

/**
 * Pictures of Gemini (ai.google.dev/gemini-api/docs/image-generation). It answers with the picture
 * itself, so there is nothing to re-attach to: a result that was not taken is gone.
 */
export function openGemini(account: ProviderAccount): Provider {
  const { apiKey, baseUrl, observe } = account
  const exchange = createExchange({
    provider: 'google',
    hosts: [new URL(vendorUrl).host],
    baseUrl,
    responseBytesMax,
    kindOf,
    retryAfterMsOf,
    observe,
  })
  // The SDK takes what is not given from the environment, so all is given; it tries once.
  const connect = (fetch: Fetch) =>
    new GoogleGenAI({
      apiKey,
      vertexai: false,
      apiVersion: 'v1beta',
      httpOptions: { baseUrl: baseUrl ?? vendorUrl, apiVersion: 'v1beta', fetch },
    })

  return {
    outputHosts: [],

    async submit(request, signal) {
      const { model } = request
      const contents = contentsOf(request)
      const config = { responseModalities: ['IMAGE'], ...ratioOf(request) }
      // The step's time, in the caller's signal, is the real bound.
      const terms = { operation: 'submit', timeoutMs: generateTimeoutMs, signal } as const
      const answer: unknown = await exchange(terms, fetch =>
        connect(fetch).models.generateContent({ model, contents, config }),
      )
      return { kind: 'finished', outputs: outputsOf(answer) }
    },

    async resume() {
      throw new ProviderFailure('expired', 'Gemini keeps no result that was not taken')
    },

    async cancel() {
      // A call ends with its connection; there is nothing left to stop.
    },
  }
}

/** Its sizes, in pixels, by the ratio that it is asked for (Gemini, "Image generation"). */
const ratios: Readonly<Record<string, string>> = {
  '1024x1024': '1:1',
  '832x1248': '2:3',
  '1248x832': '3:2',
  '864x1184': '3:4',
  '1184x864': '4:3',
  '896x1152': '4:5',
  '1152x896': '5:4',
  '768x1344': '9:16',
  '1344x768': '16:9',
  '1536x672': '21:9',
}

function ratioOf({ size }: GenerationRequest): { imageConfig?: { aspectRatio: string } } {
  if (size === undefined) return {}
  const aspectRatio = ratios[size]
  if (aspectRatio !== undefined) return { imageConfig: { aspectRatio } }
  throw new ProviderFailure('misconfigured', `google makes no pictures of ${size}`)
}

function contentsOf({ stepType, prompt, picture }: GenerationRequest): ContentListUnion {
  if (stepType !== 'image-gen' || prompt === undefined) {
    throw new ProviderFailure('misconfigured', `google does not run ${stepType} on this input`)
  }
  if (picture === undefined) return [{ role: 'user', parts: [{ text: prompt }] }]
  const { bytes, mimeType } = picture
  const inlineData = { mimeType, data: Buffer.from(bytes).toString('base64') }
  return [{ role: 'user', parts: [{ inlineData }, { text: prompt }] }]
}

function outputsOf(answer: unknown): readonly ProviderOutput[] {
  if (!Value.Check(Answer, answer)) {
    throw new ProviderFailure('bad_response', 'the answer is not of the documented form')
  }
  const [candidate] = answer.candidates ?? []
  const outputs = (candidate?.content?.parts ?? []).flatMap(part =>
    Value.Check(Picture, part) && part.thought !== true
      ? [{ kind: 'bytes', bytes: Buffer.from(part.inlineData.data, 'base64') } as const]
      : [],
  )
  if (outputs.length > 0) return outputs
  const { blockReason } = answer.promptFeedback ?? {}
  throw refusalOf(blockReason ?? candidate?.finishReason, blockReason !== undefined)
}

/** It made none for a reason that it names, mostly its rules; the same input meets it again. */
function refusalOf(reason: string | undefined, isBlocked: boolean): ProviderFailure {
  if (reason === undefined || reason === 'STOP' || !/^[A-Z_]+$/.test(reason)) {
    return new ProviderFailure('bad_response', 'the answer has no picture')
  }
  const isModerated = isBlocked || /SAFETY|PROHIBITED|BLOCKLIST|SPII|RECITATION/.test(reason)
  const kind = isModerated ? 'moderated' : 'rejected'
  return new ProviderFailure(kind, `the model made no picture: ${reason}`)
}

/** A wrong key is answered like a wrong argument (google.rpc.ErrorInfo tells them apart). */
function kindOf(_status: number, body: string): FailureKind | undefined {
  return /"(API_KEY_INVALID|API_KEY_EXPIRED)"|API key expired/.test(body)
    ? 'unauthorized'
    : undefined
}

/** google.rpc.RetryInfo, such as `"retryDelay": "7.5s"`. */
function retryAfterMsOf(body: string): number | undefined {
  const seconds = /"retryDelay"\s*:\s*"(\d{1,6}(?:\.\d{1,9})?)s"/.exec(body)?.[1]
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1000)
}
