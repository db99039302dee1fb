import Type, { type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import type { ProviderAccount, ProviderTimeouts } from './account.ts'
import { createExchange, type Exchange, type Terms } from './exchange.ts'
import { pollUntilDone } from './poll.ts'
import {
  ProviderFailure,
  type FailureKind,
  type GenerationRequest,
  type Picture,
  type ProgressUpdate,
  type Provider,
  type ProviderOutput,
  type Submission,
  type SubmittedCall,
} from './provider.ts'

const Reply = Type.Object({ code: Type.Literal(0), data: Type.Unknown() })
const Uploaded = Type.Object({ image_token: Type.String({ minLength: 1, maxLength: 256 }) })
const Created = Type.Object({ task_id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' }) })
const Address = Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()]))
const Task = Type.Object({
  status: Type.Enum([
    'queued',
    'running',
    'success',
    'failed',
    'banned',
    'expired',
    'cancelled',
    'unknown',
  ]),
  progress: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
  /** How many are before it; not documented, but there. */
  queuing_num: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
  output: Type.Optional(
    Type.Object({
      pbr_model: Address,
      model: Address,
      base_model: Address,
      rendered_image: Address,
    }),
  ),
})
type Task = Static<typeof Task>

const vendorUrl = 'https://api.tripo3d.ai/v2/openapi'
const responseBytesMax = 1_000_000

/** Our names of models; any other is taken for one of Tripo's dated versions. */
const modelVersions: Readonly<Record<string, string>> = { 'tripo-v2': 'v2.5-20250123' }

/**
 * Tripo's tasks (platform.tripo3d.ai/docs): upload, create, poll. There is no client of theirs for
 * JavaScript (docs/decisions), and no way to stop a task or to be called back.
 */
export function openTripo(account: ProviderAccount): Provider {
  const link = openLink(account)
  return {
    // Where their files were seen; addresses are good for five minutes.
    outputHosts: ['.tripo3d.ai', '.tripo3d.com', 'tripo-data.cdn.bcebos.com'],
    submit: (request, signal) => submit(link, request, signal),
    resume: (call, signal, report) => resume({ ...link, call, signal }, report),
    async cancel() {
      // It runs to its end there, and nobody fetches what it makes.
    },
  }
}

interface Sending {
  readonly method: 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | FormData
}

interface Link {
  /** One request; answers the `data` of a reply whose `code` is 0. */
  readonly ask: <Schema extends TSchema>(
    terms: Terms,
    request: { readonly path: string; readonly init?: Sending; readonly schema: Schema },
  ) => Promise<Static<Schema>>
  readonly timeouts: ProviderTimeouts
}

interface CallLink extends Link {
  readonly call: SubmittedCall
  readonly signal: AbortSignal
}

function openLink({ apiKey, baseUrl, timeouts, observe }: ProviderAccount): Link {
  const exchange = createExchange({
    provider: 'tripo',
    hosts: ['api.tripo3d.ai'],
    baseUrl,
    responseBytesMax,
    kindOf,
    observe,
  })
  const root = (baseUrl ?? vendorUrl).replace(/\/$/, '')
  return {
    timeouts,
    ask: (terms, { path, init, schema }) => {
      const headers = { ...init?.headers, authorization: `Bearer ${apiKey}` }
      const request = { ...init, headers }
      return read(exchange, { terms, schema, url: `${root}${path}`, request })
    },
  }
}

async function read<Schema extends TSchema>(
  exchange: Exchange,
  call: { terms: Terms; schema: Schema; url: string; request: RequestInit },
): Promise<Static<Schema>> {
  const { terms, schema, url, request } = call
  const reply: unknown = await exchange(terms, async fetch => (await fetch(url, request)).json())
  if (Value.Check(Reply, reply) && Value.Check(schema, reply.data)) return reply.data
  throw new ProviderFailure('bad_response', `${terms.operation} was not answered as documented`)
}

async function submit(
  link: Link,
  request: GenerationRequest,
  signal: AbortSignal,
): Promise<Submission> {
  const order = await orderOf(link, request, signal)
  const terms = { operation: 'submit', timeoutMs: link.timeouts.submitMs, signal } as const
  const headers = { 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(order) } as const
  const { task_id: id } = await link.ask(terms, { path: '/task', init, schema: Created })
  return { kind: 'accepted', providerRequestId: id }
}

async function orderOf(
  link: Link,
  request: GenerationRequest,
  signal: AbortSignal,
): Promise<object> {
  const { model, stepType, prompt, negativePrompt, seed, picture } = request
  const version = {
    model_version: modelVersions[model] ?? model,
    ...(seed !== undefined && { model_seed: seed }),
  }
  if (stepType === '3d-gen' && picture !== undefined && prompt === undefined) {
    const type = picture.mimeType.replace('image/', '')
    const file = { type, file_token: await upload(link, picture, signal) }
    return { type: 'image_to_model', ...version, file }
  }
  if (stepType === '3d-gen' && picture === undefined && prompt !== undefined) {
    const negative = negativePrompt === undefined ? {} : { negative_prompt: negativePrompt }
    return { type: 'text_to_model', ...version, prompt, ...negative }
  }
  throw new ProviderFailure('misconfigured', `tripo does not run ${stepType} on this input`)
}

async function upload(link: Link, picture: Picture, signal: AbortSignal): Promise<string> {
  const body = new FormData()
  const name = `picture.${picture.mimeType.replace('image/', '')}`
  body.append('file', new Blob([picture.bytes], { type: picture.mimeType }), name)
  const terms = { operation: 'upload', timeoutMs: link.timeouts.submitMs, signal } as const
  const init = { method: 'POST', body } as const
  const uploaded = await link.ask(terms, { path: '/upload/sts', init, schema: Uploaded })
  return uploaded.image_token
}

async function resume(
  { ask, call, signal, timeouts }: CallLink,
  report: (update: ProgressUpdate) => void,
): Promise<readonly ProviderOutput[]> {
  const path = `/task/${encodeURIComponent(call.providerRequestId)}`
  const operation = 'status'
  const terms: Terms = { operation, timeoutMs: timeouts.pollMs, signal, notFound: 'expired' }
  const askOnce = async () => {
    const task = await ask(terms, { path, schema: Task })
    const outputs = outputsOf(task)
    if (outputs === undefined) report(progressOf(task))
    return outputs
  }
  return pollUntilDone(askOnce, { intervalMs: timeouts.pollIntervalMs, signal })
}

/** The outputs of a task that has ended, or undefined for one that has not. */
function outputsOf({ status, output }: Task): readonly ProviderOutput[] | undefined {
  switch (status) {
    case 'queued':
    case 'running':
      return undefined
    case 'success':
      return filesOf(output ?? {})
    case 'banned':
      throw new ProviderFailure('moderated', 'the task is against the content policy')
    case 'expired':
      throw new ProviderFailure('expired', 'the task has expired')
    case 'cancelled':
      throw new ProviderFailure('canceled', 'the task was cancelled')
    case 'failed':
    case 'unknown':
      throw new ProviderFailure('failed', `the task is ${status}`)
  }
}

/** The model with the most on it, and the picture of it that they made beside. */
function filesOf(output: NonNullable<Task['output']>): readonly ProviderOutput[] {
  const url = output.pbr_model ?? output.model ?? output.base_model
  if (!url) throw new ProviderFailure('bad_response', 'the task has no model')
  const model = { kind: 'address', url } as const
  const preview = output.rendered_image
  if (!preview) return [model]
  return [model, { kind: 'address', url: preview, isExtra: true }]
}

const startFraction = 0.05

function progressOf({ status, progress, queuing_num: place }: Task): ProgressUpdate {
  if (status === 'queued') {
    const before = place === undefined || place === null || place < 1 ? '' : `, ${place} before it`
    return { fraction: startFraction, message: `Waiting at the provider${before}` }
  }
  const fraction = startFraction + ((1 - startFraction) * (progress ?? 0)) / 100
  return { fraction, message: 'The provider is building the model' }
}

/** Its codes say more than its statuses (Tripo, "Generation", errors). */
function kindOf(_status: number, body: string): FailureKind | undefined {
  const code = /"code"\s*:\s*(\d{1,5})/.exec(body)?.[1]
  if (code === '2008') return 'moderated'
  // A version that is not there or not any more; an account without credits.
  return code === '2015' || code === '2017' || code === '2010' ? 'misconfigured' : undefined
}
