import { readdir, readFile } from 'node:fs/promises'
import { constants, getPriority, setPriority } from 'node:os'

// Pictures are decoded on the threads that Node keeps for slow work. While they are at it they
// would take a fair part of the cores from the thread that answers everybody else, so they are
// asked to yield to it. Linux gives each thread a priority of its own, and threads that a decoder
// starts inherit it; elsewhere nothing is changed.

/** About a tenth of what those get that answer, when both want all of a core. */
const yieldedBy = 10
const tasksFolder = '/proc/self/task'

let yielding: Promise<void> | undefined

/** Makes Node's thread pool yield to the main thread; the first call does it for good. */
export function yieldPool(): Promise<void> {
  // Reading the folder is work for the pool, so by then all its threads are there.
  yielding ??= process.platform === 'linux' ? lower() : Promise.resolve()
  return yielding
}

async function lower(): Promise<void> {
  const priority = Math.min(getPriority() + yieldedBy, constants.priority.PRIORITY_LOW)
  // As many as the process has threads: a dozen.
  for (const thread of await readdir(tasksFolder)) {
    try {
      const name = await readFile(`${tasksFolder}/${thread}/comm`, 'utf8')
      if (name.trim() === 'libuv-worker') setPriority(Number(thread), priority)
    } catch (error) {
      // ENOENT: the thread has ended. A sandbox that knows no threads says ESRCH or EPERM; there
      // they stay equal.
      if (!/ENOENT|ESRCH|EPERM|EACCES/.test(String(error))) throw error
    }
  }
}
