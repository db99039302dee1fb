/** What the owner is told when the deadline comes before the provider may be asked. */
type DenialCode = 'PROVIDER_BUSY' | 'PROVIDER_UNAVAILABLE'

/**
 * The provider may not be asked now: no free slot, its quota used up, or it is known to be away.
 * Nothing was sent, so it is no try of the task (TR4); the task comes back after the delay, as
 * long as that is before its deadline.
 */
export class Denial extends Error {
  readonly code: DenialCode
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number, code: DenialCode = 'PROVIDER_BUSY') {
    super(message)
    this.name = 'Denial'
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}
