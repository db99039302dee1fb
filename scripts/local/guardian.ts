import { spawn } from 'node:child_process'

export interface Watched {
  readonly pid: number
  readonly signal: 'INT' | 'TERM' | 'KILL'
}

const script = `
folder=$1; shift
cat > /dev/null
for entry in "$@"; do kill -s "\${entry#*:}" "\${entry%:*}" 2> /dev/null; done
sleep 1
rm -rf "$folder"
`

/**
 * A shell that waits for this process to end, however it ends, SIGKILL included: its standard
 * input then closes, and it ends the watched processes and removes the folder. Disposing it
 * calls it off.
 */
export function startGuardian(folder: string, watched: readonly Watched[]): Disposable {
  const entries = watched.map(({ pid, signal }) => `${pid}:${signal}`)
  const guardian = spawn('/bin/sh', ['-c', script, 'guardian', folder, ...entries], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guardian.unref()
  return { [Symbol.dispose]: () => void guardian.kill('SIGKILL') }
}
