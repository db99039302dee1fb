import Replicate from 'replicate'
import Type, { type Static } from 'typebox'
import { Value } from 'typebox/value'
import { callbackOf, waitingFor, type ProviderAccount } from './account.ts'
import { createExchange, type Terms } from './exchange.ts'
import { pollUntilDone } from './poll.ts'
import {
  ProviderFailure,
  type GenerationRequest,
  type Picture,
  type ProgressUpdate,
  type Provider,
  type ProviderOutput,
  type Submission,
  type SubmittedCall,
} from './provider.ts'

const Uploaded = Type.Object({ urls: Type.Object({ get: Type.String({ minLength: 1 }) }) })
const Prediction = Type.Object({
  id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' }),
  status: Type.Union([
    Type.Literal('starting'),
    Type.Literal('processing'),
    Type.Literal('succeeded'),
    Type.Literal('failed'),
    Type.Literal('canceled'),
    Type.Literal('aborted'),
  ]),
  output: Type.Optional(Type.Unknown()),
  logs: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  /** Text of the model's; of some models something else. */
  error: Type.Optional(Type.Unknown()),
  data_removed: Type.Optional(Type.Boolean()),
})
type Prediction = Static<typeof Prediction>
const PointCloud = Type.Object({ point_cloud: Type.String({ minLength: 1 }) })

const responseBytesMax = 1_000_000

/** Replicate's predictions (replicate.com/docs/reference/http): upload, create, poll. */
export function openReplicate(account: ProviderAccount): Provider {
  const link = openLink(account)
  return {
    outputHosts: ['replicate.delivery', '.replicate.delivery'],
    submit: (request, signal) => submit(link, request, signal),
    resume: (call, signal, report) => resume({ ...link, call, signal }, report),
    cancel: (call, signal) => cancel({ ...link, call, signal }),
  }
}

/** Runs a part of Replicate's client within the terms. */
interface Link {
  readonly ask: (
    terms: Terms,
    operate: (replicate: Replicate) => Promise<unknown>,
  ) => Promise<unknown>
  readonly account: ProviderAccount
}

interface CallLink extends Link {
  readonly call: SubmittedCall
  readonly signal: AbortSignal
}

function openLink(account: ProviderAccount): Link {
  const { apiKey: auth, baseUrl, observe } = account
  const exchange = createExchange({
    provider: 'replicate',
    hosts: ['api.replicate.com'],
    baseUrl,
    responseBytesMax,
    observe,
  })
  const address = baseUrl === null ? {} : { baseUrl }
  return {
    ask: (terms, operate) =>
      exchange(terms, fetch => operate(new Replicate({ auth, fetch, ...address }))),
    account,
  }
}

async function submit(
  link: Link,
  request: GenerationRequest,
  signal: AbortSignal,
): Promise<Submission> {
  const { model, stepType, picture } = request
  if (stepType !== 'point-cloud' || picture === undefined) {
    throw new ProviderFailure('misconfigured', `replicate does not run ${stepType} on this input`)
  }
  // The names of vufinder/vggt-1b, the model of the seeds' 3D vision.
  const input = { images: [await upload(link, picture, signal)], return_pcd: true }
  const { timeouts } = link.account
  const terms = { operation: 'submit', timeoutMs: timeouts.submitMs, signal } as const
  const order = { ...versionOf(model), input, ...hookOf(link.account, request.reference) }
  const created = await link.ask(terms, replicate => replicate.predictions.create(order))
  return { kind: 'accepted', providerRequestId: asPrediction(created).id }
}

/** One event, at the end, whatever the end is. */
function hookOf(account: ProviderAccount, reference: string) {
  const webhook = callbackOf(account, reference)
  const filter: 'completed'[] = ['completed']
  return webhook === undefined ? {} : { webhook, webhook_events_filter: filter }
}

/** `owner/name:version` names a version, `owner/name` an official model. */
function versionOf(model: string): { version: string } | { model: string } {
  const version = model.split(':')[1]
  return version === undefined ? { model } : { version }
}

async function upload(link: Link, picture: Picture, signal: AbortSignal): Promise<string> {
  const file = new Blob([picture.bytes], { type: picture.mimeType })
  const { timeouts } = link.account
  const terms = { operation: 'upload', timeoutMs: timeouts.submitMs, signal } as const
  const uploaded = await link.ask(terms, replicate => replicate.files.create(file))
  if (Value.Check(Uploaded, uploaded)) return uploaded.urls.get
  throw new ProviderFailure('bad_response', 'the upload was answered without an address')
}

async function resume(
  link: CallLink,
  report: (update: ProgressUpdate) => void,
): Promise<readonly ProviderOutput[]> {
  const { account, call, signal } = link
  const ask = async () => {
    const prediction = asPrediction(
      await link.ask(pollTerms(link, 'status'), replicate =>
        replicate.predictions.get(call.providerRequestId),
      ),
    )
    const outputs = outputsOf(prediction)
    if (outputs === undefined) report(progressOf(prediction))
    return outputs
  }
  return pollUntilDone(ask, waitingFor(account, call.providerRequestId, signal))
}

/** A prediction that has ended answers with itself, unchanged. */
async function cancel(link: CallLink): Promise<void> {
  const { providerRequestId } = link.call
  await link.ask(pollTerms(link, 'cancel'), replicate =>
    replicate.predictions.cancel(providerRequestId),
  )
}

function pollTerms({ account, signal }: CallLink, operation: Terms['operation']): Terms {
  return { operation, timeoutMs: account.timeouts.pollMs, signal, notFound: 'expired' }
}

function asPrediction(answer: unknown): Prediction {
  if (Value.Check(Prediction, answer)) return answer
  throw new ProviderFailure('bad_response', 'the prediction is not of the documented form')
}

/** The outputs of a prediction that has ended, or undefined for one that has not. */
function outputsOf(prediction: Prediction): readonly ProviderOutput[] | undefined {
  switch (prediction.status) {
    case 'starting':
    case 'processing':
      return undefined
    case 'succeeded':
      return [{ kind: 'address', url: pointCloudOf(prediction) }]
    case 'failed':
      throw failureOf(prediction)
    case 'canceled':
    case 'aborted':
      throw new ProviderFailure('canceled', `the prediction was ${prediction.status}`)
  }
}

/**
 * What models say of content against their rules: E005 is the code of Replicate's own, which older
 * models put in words. Replicate has no field for it.
 */
const flagged = /\bE005\b|flagged as sensitive|\bNSFW\b/i

function failureOf({ error }: Prediction): ProviderFailure {
  const isFlagged = typeof error === 'string' && flagged.test(error)
  return isFlagged
    ? new ProviderFailure('moderated', 'the prediction was flagged as sensitive')
    : new ProviderFailure('rejected', 'the prediction failed')
}

function pointCloudOf({ output, data_removed: isRemoved }: Prediction): string {
  if (isRemoved === true) throw new ProviderFailure('expired', 'the output was removed')
  if (Value.Check(PointCloud, output)) return output.point_cloud
  throw new ProviderFailure('bad_response', 'the prediction has no point cloud')
}

function progressOf({ status, logs }: Prediction): ProgressUpdate {
  if (status === 'starting') return { fraction: startFraction, message: 'Waiting at the provider' }
  return { fraction: fractionIn(logs ?? ''), message: 'The provider is working on it' }
}

const startFraction = 0.1

/** Progress bars in the logs begin with " 42%|"; the last one counts. */
function fractionIn(logs: string): number {
  const percents = [...logs.slice(-2_000).matchAll(/(\d{1,3})%\|/g)]
  const last = percents.at(-1)?.[1]
  const share = last === undefined ? 0 : Math.min(1, Number(last) / 100)
  return startFraction + (1 - startFraction) * share
}
