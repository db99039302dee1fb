import type { StepType } from '@funmagic/contract/tool'

export interface Picture {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly mimeType: string
}

/** What a provider is asked for. A model that honours less was refused before (V2). */
export interface GenerationRequest {
  /** Our id of the call; a vendor that takes a reference of its client's is given this one. */
  readonly reference: string
  readonly stepType: StepType
  readonly model: string
  readonly prompt: string | undefined
  readonly picture: Picture | undefined
  readonly mask?: Picture | undefined
  readonly negativePrompt?: string | undefined
  /** Such as 1024x1536, of those that the model has. */
  readonly size?: string | undefined
  readonly seed?: number | undefined
}

/** A call that the provider has; with it any worker can go on waiting for the result. */
export interface SubmittedCall {
  readonly providerRequestId: string
  readonly model: string
}

/** A result as the provider hands it out. An address is the provider's word: not yet trusted. */
export type ProviderOutput =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'address'
      readonly url: string
      /** Made beside what was asked for: a task does not fail for the want of it. */
      readonly isExtra?: boolean
    }

/** Some vendors queue the call and give it an id, others answer with the result. */
export type Submission =
  | { readonly kind: 'accepted'; readonly providerRequestId: string }
  | { readonly kind: 'finished'; readonly outputs: readonly ProviderOutput[] }

export interface ProgressUpdate {
  /** Of the provider's part of the work, 0 to 1. */
  readonly fraction: number
  readonly message: string
  /** A draft of the picture, as the provider shows it. */
  readonly draft?: Uint8Array
}

/**
 * One account at one vendor. Every method rejects with ProviderFailure, or with the signal's
 * reason within a second of its abort; none tries anything twice. Vendor types stay behind it.
 */
export interface Provider {
  /** Hosts that outputs may be fetched from; one that begins with a dot covers subdomains. */
  readonly outputHosts: readonly string[]
  submit(
    request: GenerationRequest,
    signal: AbortSignal,
    report?: (update: ProgressUpdate) => void,
  ): Promise<Submission>
  /** Waits for a submitted call, however often and from whichever process. */
  resume(
    call: SubmittedCall,
    signal: AbortSignal,
    report: (update: ProgressUpdate) => void,
  ): Promise<readonly ProviderOutput[]>
  /** Asks the provider to stop; it may be too late, and then nothing happens. */
  cancel(call: SubmittedCall, signal: AbortSignal): Promise<void>
}

/**
 * Every way in which a provider can fail, whether another try may help, and the code that the
 * task's owner is told when it is given up (docs/task-states.md).
 */
export const failureKinds = {
  /** It refuses this input, or its model failed on it. */
  rejected: { isFinal: true, code: 'PROVIDER_REJECTED' },
  /** Its rules forbid this content; those of another model may not. */
  moderated: { isFinal: true, code: 'PROVIDER_REJECTED' },
  /** It took the call and gave it up for reasons of its own, after tries of its own. */
  failed: { isFinal: true, code: 'PROVIDER_UNAVAILABLE' },
  /** It refuses our key: revoked, or never one of its own. An operator has to act. */
  unauthorized: { isFinal: true, code: 'PROVIDER_NOT_CONFIGURED' },
  /** It refuses our account or our model, or we asked what it cannot do: an operator has to act. */
  misconfigured: { isFinal: true, code: 'PROVIDER_NOT_CONFIGURED' },
  /** It answered with something else than it documents. */
  bad_response: { isFinal: true, code: 'PROVIDER_BAD_RESPONSE' },
  /** It no longer has the call or its result. */
  expired: { isFinal: true, code: 'PROVIDER_OUTPUT_EXPIRED' },
  /** Somebody else than we stopped the call there. */
  canceled: { isFinal: true, code: 'PROVIDER_UNAVAILABLE' },
  /** It wants fewer requests. */
  throttled: { isFinal: false, code: 'PROVIDER_BUSY' },
  /** It is down or cannot be reached. */
  unavailable: { isFinal: false, code: 'PROVIDER_UNAVAILABLE' },
  /** It did not answer in time. */
  timed_out: { isFinal: false, code: 'PROVIDER_TIMEOUT' },
} as const
export type FailureKind = keyof typeof failureKinds

export interface FailureDetails {
  readonly cause?: unknown
  readonly status?: number | undefined
  /** How long the provider asks us to wait. */
  readonly retryAfterMs?: number | undefined
}

/** The provider failed. The message is for operators: without keys and signed addresses. */
export class ProviderFailure extends Error {
  readonly kind: FailureKind
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined

  constructor(kind: FailureKind, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause })
    this.name = 'ProviderFailure'
    this.kind = kind
    this.status = details.status
    this.retryAfterMs = details.retryAfterMs
  }

  /** True when another try cannot help: the provider is done with this call. */
  get isFinal(): boolean {
    return failureKinds[this.kind].isFinal
  }
}
