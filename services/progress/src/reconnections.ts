/** Who must read again when the subscription connection to Redis comes back. */
export class Reconnections {
  readonly #listeners = new Set<() => void>()

  /** Begins a watch and ties the listener to its life. */
  async keep(listener: () => void, watch: () => Promise<() => void>): Promise<() => void> {
    const unwatch = await watch()
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
      unwatch()
    }
  }

  announce(): void {
    for (const listener of this.#listeners) listener()
  }
}
