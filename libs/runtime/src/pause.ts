/** A wait that somebody else can cut short. */
export class Pause {
  #end: () => void = () => undefined

  async wait(pauseMs: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, pauseMs)
      this.#end = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Ends the wait that is under way, if there is one. */
  cut(): void {
    this.#end()
  }
}
