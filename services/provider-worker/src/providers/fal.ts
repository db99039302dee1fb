import { createFalClient, type FalClient } from '@fal-ai/client'
import Type, { type Static } from 'typebox'
import { Value } from 'typebox/value'
import { callbackOf, waitingFor, type ProviderAccount } from './account.ts'
import { createExchange, type Fetch, type Terms } from './exchange.ts'
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

const Submitted = Type.Object({ request_id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' }) })
const Status = Type.Object({
  status: Type.Union([
    Type.Literal('IN_QUEUE'),
    Type.Literal('IN_PROGRESS'),
    Type.Literal('COMPLETED'),
  ]),
  queue_position: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Of a completed call that has no result. */
  error: Type.Optional(Type.String()),
})
type Status = Static<typeof Status>
const PictureResult = Type.Object({
  data: Type.Object({ image: Type.Object({ url: Type.String({ minLength: 1 }) }) }),
})

const responseBytesMax = 1_000_000
const clientClosedRequest = 499
/** Pictures that we upload and results that we fetch are not kept there for longer. */
const keepAtProvider = { expiresIn: '1d' } as const

/** fal.ai's queue API (fal.ai/docs/inference-api/queue): upload, submit, poll, fetch the result. */
export function openFal(account: ProviderAccount): Provider {
  const link = openLink(account)
  return {
    outputHosts: ['fal.media', '.fal.media'],
    submit: (request, signal) => submit(link, request, signal),
    resume: (call, signal, report) => resume({ ...link, call, signal }, report),
    cancel: (call, signal) => cancel({ ...link, call, signal }),
  }
}

/** Runs a part of fal's client within the terms. */
interface Link {
  readonly ask: <Result>(
    terms: Terms,
    operate: (fal: FalClient) => Promise<Result>,
  ) => Promise<Result>
  readonly account: ProviderAccount
}

interface CallLink extends Link {
  readonly call: SubmittedCall
  readonly signal: AbortSignal
}

function openLink(account: ProviderAccount): Link {
  const exchange = createExchange({
    provider: 'fal',
    hosts: ['queue.fal.run', 'rest.fal.ai', '.fal.media'],
    baseUrl: account.baseUrl,
    responseBytesMax,
    kindOf,
    observe: account.observe,
  })
  return {
    ask: (terms, operate) => exchange(terms, fetch => operate(connect(account, fetch))),
    account,
  }
}

/** Its type of an error says more than the status (fal, "Model errors"). */
function kindOf(status: number, body: string): FailureKind | undefined {
  if (status === 422 && body.includes('"content_policy_violation"')) return 'moderated'
  return status === clientClosedRequest ? 'canceled' : undefined
}

/** The SDK has no base URL; its middleware is the documented place to send requests elsewhere. */
function connect({ apiKey, baseUrl }: ProviderAccount, fetch: Fetch): FalClient {
  return createFalClient({
    credentials: apiKey,
    fetch,
    retry: { maxRetries: 0 },
    requestMiddleware: async request => {
      if (baseUrl === null) return request
      const { pathname, search } = new URL(request.url)
      return { ...request, url: `${baseUrl.replace(/\/$/, '')}${pathname}${search}` }
    },
  })
}

async function submit(
  link: Link,
  request: GenerationRequest,
  signal: AbortSignal,
): Promise<Submission> {
  const { model, stepType, picture } = request
  if (stepType !== 'background-remove' || picture === undefined) {
    throw new ProviderFailure('misconfigured', `fal does not run ${stepType} on this input`)
  }
  const input = { image_url: await upload(link, picture, signal) }
  const { timeouts } = link.account
  const terms = { operation: 'submit', timeoutMs: timeouts.submitMs, signal } as const
  const webhookUrl = callbackOf(link.account, request.reference)
  const options = { input, storageSettings: keepAtProvider, ...(webhookUrl && { webhookUrl }) }
  const submitted: unknown = await link.ask(terms, fal => fal.queue.submit(model, options))
  if (Value.Check(Submitted, submitted)) {
    return { kind: 'accepted', providerRequestId: submitted.request_id }
  }
  throw new ProviderFailure('bad_response', 'the submission was answered without an id')
}

async function upload(link: Link, picture: Picture, signal: AbortSignal): Promise<string> {
  const file = new Blob([picture.bytes], { type: picture.mimeType })
  const { timeouts } = link.account
  const terms = { operation: 'upload', timeoutMs: timeouts.submitMs, signal } as const
  return link.ask(terms, fal => fal.storage.upload(file, { lifecycle: keepAtProvider }))
}

async function resume(
  link: CallLink,
  report: (update: ProgressUpdate) => void,
): Promise<readonly ProviderOutput[]> {
  const { account, call, signal } = link
  const terms = waitingFor(account, call.providerRequestId, signal)
  const completed = await pollUntilDone(async () => {
    const status = await askStatus(link)
    if (status.status === 'COMPLETED') return status
    report(progressOf(status))
    return undefined
  }, terms)
  if (completed.error === undefined) return pollUntilDone(() => readResult(link), terms)
  return readResult(link).catch(asEndOfCall)
}

async function askStatus(link: CallLink): Promise<Status> {
  const { model, providerRequestId: requestId } = link.call
  const status: unknown = await link.ask(pollTerms(link, 'status'), fal =>
    fal.queue.status(model, { requestId }),
  )
  if (Value.Check(Status, status)) return status
  throw new ProviderFailure('bad_response', 'the status is not of the documented form')
}

async function readResult(link: CallLink): Promise<readonly ProviderOutput[]> {
  const { model, providerRequestId: requestId } = link.call
  const result: unknown = await link.ask(pollTerms(link, 'result'), fal =>
    fal.queue.result(model, { requestId }),
  )
  if (Value.Check(PictureResult, result)) return [{ kind: 'address', url: result.data.image.url }]
  throw new ProviderFailure('bad_response', 'the result has no picture')
}

/** The reply says why there is no result; fal has made tries of its own ("Request errors"). */
function asEndOfCall(error: unknown): never {
  const isAnswer = error instanceof ProviderFailure && error.status !== undefined
  if (!isAnswer || error.isFinal) throw error
  const { message, status } = error
  throw new ProviderFailure('failed', message, { cause: error, status })
}

/** Does nothing for a call that has ended (400 ALREADY_COMPLETED) or is not there any more. */
async function cancel(link: CallLink): Promise<void> {
  const { model, providerRequestId: requestId } = link.call
  try {
    await link.ask(pollTerms(link, 'cancel'), fal => fal.queue.cancel(model, { requestId }))
  } catch (error) {
    const kind = error instanceof ProviderFailure ? error.kind : undefined
    if (kind !== 'rejected' && kind !== 'expired') throw error
  }
}

function pollTerms({ account, signal }: CallLink, operation: Terms['operation']): Terms {
  return { operation, timeoutMs: account.timeouts.pollMs, signal, notFound: 'expired' }
}

function progressOf({ status, queue_position: position }: Status): ProgressUpdate {
  if (status === 'IN_PROGRESS') return { fraction: 0.5, message: 'The provider is working on it' }
  const place = position === undefined ? '' : `, ${position} before it`
  return { fraction: 0.1, message: `Waiting at the provider${place}` }
}
