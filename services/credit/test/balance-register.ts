import type { UserId } from '@funmagic/contract/ids'

/** What a user has, as one value: the two parts change together. */
export interface Holding {
  readonly balance: number
  readonly reservedBalance: number
}

/** One line of a user's chain; times are those of one process. */
export interface Write extends Holding {
  /** Before its first statement was sent. */
  readonly sentAtMs: number
  /** After its commit was acknowledged. */
  readonly committedAtMs: number
}

export interface Read extends Holding {
  readonly userId: UserId
  readonly startedAtMs: number
  readonly endedAtMs: number
}

/** By user, in the order of the chain: the row lock let them commit in that order. */
export type Chains = ReadonlyMap<UserId, readonly Write[]>

/**
 * The reads that a single register could not have given (M14): a value that another had replaced
 * before the read was asked, that no write had been sent for before the read was answered, that
 * never was, or that is older than what an earlier read had been answered.
 */
export function findImpossibleReads(chains: Chains, reads: readonly Read[]): Read[] {
  return [...chains].flatMap(([userId, chain]) =>
    findInChain(
      chain,
      reads.filter(read => read.userId === userId),
    ),
  )
}

/** Each read is given the first place that it can have, which leaves those after it the most. */
function findInChain(chain: readonly Write[], reads: readonly Read[]): Read[] {
  const placed: { readonly endedAtMs: number; readonly place: number }[] = []
  const impossible: Read[] = []
  for (const read of reads.toSorted((a, b) => a.endedAtMs - b.endedAtMs)) {
    const isBefore = ({ endedAtMs }: { endedAtMs: number }) => endedAtMs < read.startedAtMs
    const oldest = Math.max(
      chain.findLastIndex(write => write.committedAtMs < read.startedAtMs),
      ...placed.filter(isBefore).map(({ place }) => place),
    )
    const place = chain.findIndex(
      (write, at) => at >= oldest && write.sentAtMs <= read.endedAtMs && isSame(write, read),
    )
    if (place === -1) impossible.push(read)
    else placed.push({ endedAtMs: read.endedAtMs, place })
  }
  return impossible
}

function isSame(one: Holding, other: Holding): boolean {
  return one.balance === other.balance && one.reservedBalance === other.reservedBalance
}
