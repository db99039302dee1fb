import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const bytesOfKb = 1024

/** The memory that a process has now. */
export async function residentBytes(pid: number): Promise<number> {
  const { stdout } = await execute('ps', ['-o', 'rss=', '-p', String(pid)])
  return Number(stdout.trim()) * bytesOfKb
}

/**
 * The most memory that a process had while the work lasted: counted by the kernel on Linux,
 * undefined elsewhere.
 */
export async function peakBytes(
  pid: number,
  work: () => Promise<unknown>,
): Promise<number | undefined> {
  try {
    // proc(5): 5 puts the high-water mark back to what is resident now.
    await writeFile(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Not Linux, or not ours to reset: then nobody counts.
    await work()
    return undefined
  }
  await work()
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * bytesOfKb
}
