/** Why work on a task stops without a word about the task itself. */
export class Interruption extends Error {
  /** `superseded`: the claim is over. `stopping`: this worker is, and another may go on. */
  readonly reason: 'superseded' | 'stopping'

  constructor(reason: 'superseded' | 'stopping') {
    super(`the work was interrupted: ${reason}`)
    this.name = 'Interruption'
    this.reason = reason
  }
}
