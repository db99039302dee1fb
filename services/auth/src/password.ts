import { randomBytes } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'
import { AppError } from '@funmagic/contract/problem'

/** Passwords as argon2id hashes in PHC form. */
export interface Passwords {
  hash(password: string): Promise<string>
  /** False also without a hash to compare with, and after the same time. */
  verify(password: string, passwordHash: string | null | undefined): Promise<boolean>
}

// OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, 2 passes, 1 lane.
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
// Two of libuv's four threads, so that a flood of sign-ins leaves the others to the rest.
const runningMax = 2
const waitingMax = 32

/** Hashes at most two passwords at a time; throws OVERLOADED when 32 more are waiting. */
export async function createPasswords(): Promise<Passwords> {
  const enter = createGate()
  const decoy = await hash(randomBytes(16).toString('hex'), parameters)
  return {
    hash: password => enter(() => hash(normalize(password), parameters)),
    verify: async (password, passwordHash) => {
      const isRight = await enter(() => verify(passwordHash ?? decoy, normalize(password)))
      return isRight && typeof passwordHash === 'string'
    },
  }
}

/** One password typed on two keyboards is one password (NIST SP 800-63B §3.1.1.2). */
function normalize(password: string): string {
  return password.normalize('NFKC')
}

function createGate(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = []
  let running = 0
  return async work => {
    if (running < runningMax) running++
    else await waitForTurn(waiting)
    try {
      return await work()
    } finally {
      // Whoever waits takes over the place, so the count stays as it is.
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}

function waitForTurn(waiting: (() => void)[]): Promise<void> {
  if (waiting.length >= waitingMax) throw new AppError('OVERLOADED', { retryAfterSeconds: 1 })
  return new Promise(resolve => waiting.push(resolve))
}
