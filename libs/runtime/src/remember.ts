interface Remembering {
  /** An answer is given again for so long. */
  readonly lifeMs: number
  /** The clock; for tests. */
  readonly now?: () => number
}

const keysMax = 1_000

/** `read`, once for a key while its answer lives, however many ask; a failure is not kept. */
export function remember<Answer>(
  read: (key: string) => Promise<Answer>,
  { lifeMs, now = () => performance.now() }: Remembering,
): (key: string) => Promise<Answer> {
  const known = new Map<string, { readonly readAtMs: number; readonly answer: Promise<Answer> }>()
  return key => {
    const earlier = known.get(key)
    if (earlier !== undefined && now() - earlier.readAtMs < lifeMs) return earlier.answer
    if (known.size >= keysMax) known.clear()
    const answer = read(key)
    known.set(key, { readAtMs: now(), answer })
    // Whoever asked is told; the next one reads again.
    answer.catch(() => known.delete(key))
    return answer
  }
}
