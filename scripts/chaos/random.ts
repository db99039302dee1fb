/** Numbers that follow from a seed: the same seed gives the same schedule again. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Another one that follows from this one's seed and the name, whatever was drawn before. */
  static named(seed: number, name: string): Random {
    let hash = seed >>> 0
    for (const character of name) {
      hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0
    }
    return new Random(hash)
  }

  /** At least 0 and less than 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  isChance(probability: number): boolean {
    return this.next() < probability
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.between(0, items.length - 1)] ?? items[0]
  }

  /** A copy in another order (Fisher–Yates). */
  shuffle<Item>(items: readonly Item[]): Item[] {
    const shuffled: Item[] = []
    for (const item of items) shuffled.splice(this.between(0, shuffled.length), 0, item)
    return shuffled
  }
}
