import { readdir, readFile, readlink } from 'node:fs/promises'
import { outputOf } from './process-identity.ts'

const listenState = '0A'
const commandCharsMax = 120

/** Who listens on a loopback port, in words: `redis-server (process 812)`. */
export async function describeHolder(port: number): Promise<string> {
  return process.platform === 'linux' ? describeFromProc(port) : describeFromLsof(port)
}

/** /proc/net/tcp names the socket of the port, /proc/<pid>/fd the process that has it open. */
async function describeFromProc(port: number): Promise<string> {
  const socket = await findSocket(port)
  if (socket === undefined) return 'a process that cannot be seen from here'
  const pid = await findSocketOwner(socket.inode)
  if (pid === undefined) return `a process of user ${socket.uid}, which cannot be looked at`
  return `${await readCommand(pid)} (process ${pid})`
}

async function findSocket(port: number): Promise<{ inode: string; uid: string } | undefined> {
  const portHex = port.toString(16).toUpperCase().padStart(4, '0')
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    // A kernel without IPv6 has no second table.
    const text = await readFile(table, 'utf8').catch(() => '')
    for (const line of text.split('\n').slice(1)) {
      const [, local = '', , state, , , , uid, , inode] = line.trim().split(/\s+/)
      if (state !== listenState || !local.endsWith(`:${portHex}`)) continue
      if (inode !== undefined && uid !== undefined) return { inode, uid }
    }
  }
  return undefined
}

async function findSocketOwner(inode: string): Promise<number | undefined> {
  const wanted = `socket:[${inode}]`
  const processes = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  for (const pid of processes) {
    // Of another user, or gone in the meantime: then it is not the one that can be named.
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const descriptor of descriptors) {
      // A descriptor that was closed in the meantime.
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
      if (target === wanted) return Number(pid)
    }
  }
  return undefined
}

async function readCommand(pid: number): Promise<string> {
  // A process that ended in the meantime has no command.
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const command = text.split('\0').join(' ').trim()
  return command === '' ? 'a process' : command.slice(0, commandCharsMax)
}

async function describeFromLsof(port: number): Promise<string> {
  const text = await outputOf('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'])
  const field = (letter: string): string | undefined =>
    text
      ?.split('\n')
      .find(line => line.startsWith(letter))
      ?.slice(1)
  const pid = field('p')
  return pid === undefined
    ? 'a process that cannot be seen from here'
    : `${field('c') ?? 'a process'} (process ${pid})`
}
