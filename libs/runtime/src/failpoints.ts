/**
 * Places in a program where a test can make it die, fail or stand still: what a crash at exactly
 * this point leaves behind is then put to the test. Nothing happens unless the process was started
 * with the name of the point in its environment, and main.ts alone hands that on; no request, job
 * or row can name one.
 */
type Action = 'kill' | 'throw' | 'pause'

interface Armed {
  readonly action: Action
  /** How often it still acts. */
  left: number
}

const armed = new Map<string, Armed>()
const form = /^([a-z-]+\.[a-z-]+)=(kill|throw|pause)(?:\*(\d{1,4}))?$/

/**
 * Arms points, given as `worker.claimed=kill;submit.recorded=throw*2`. Undefined arms none. Throws
 * for anything that is not of this form.
 */
export function armFailpoints(list: string | undefined): void {
  for (const item of (list ?? '').split(';').filter(text => text !== '')) {
    const [, name, action, times = '1'] = form.exec(item) ?? []
    if (name === undefined || !isAction(action)) throw new Error(`not a failpoint: ${item}`)
    armed.set(name, { action, left: Number(times) })
  }
}

function isAction(text: string | undefined): text is Action {
  return text === 'kill' || text === 'throw' || text === 'pause'
}

/** Acts if the point is armed. `pause` stops the whole process, as SIGSTOP from outside would. */
export function failpoint(name: string): void {
  const point = armed.get(name)
  if (point === undefined || point.left === 0) return
  point.left -= 1
  switch (point.action) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL')
      break
    case 'pause':
      process.kill(process.pid, 'SIGSTOP')
      break
    case 'throw':
      throw new Error(`failpoint ${name}`)
  }
}
