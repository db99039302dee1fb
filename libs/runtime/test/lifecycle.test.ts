import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'

const program = join(import.meta.dirname, 'stopping-process.ts')

function start(t: { teardown(work: () => unknown): void }, environment: Record<string, string>) {
  const child = spawn(process.execPath, [program], { env: environment })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exit = once(child, 'close')
  t.teardown(() => child.kill('SIGKILL'))
  const until = async (text: string) => {
    while (!output.includes(text)) await once(child.stdout, 'data')
  }
  return { child, exit, until, output: () => output }
}

t.test('SIGTERM closes in reverse order and exits with 0', async t => {
  const { child, exit, until, output } = start(t, { PORT: '0', NAME: 'well' })
  await until('ready')

  child.kill('SIGTERM')

  t.equal((await exit)[0], 0)
  t.match(output(), /closed second\nclosed first\n/)
})

t.test('what is opened while the process ends is closed as well', async t => {
  const { child, exit, until, output } = start(t, { PORT: '0', NAME: 'late' })
  await until('ready')

  child.kill('SIGTERM')

  t.equal((await exit)[0], 0)
  t.match(output(), /closed second\nclosed late\nclosed first\n/)
})

t.test('a second signal ends a process whose closing hangs', async t => {
  const { child, exit, until } = start(t, { PORT: '0', NAME: 'stuck' })
  await until('ready')

  child.kill('SIGTERM')
  await until('closed second')
  child.kill('SIGTERM')

  t.equal((await exit)[0], 1)
})

t.test('a wrong configuration is told whole, and nothing was opened', async t => {
  const { exit, output } = start(t, { PORT: 'abc' })

  t.equal((await exit)[0], 1)
  t.match(output(), /PORT is \\"abc\\"/)
  t.match(output(), /NAME is not set: What it is called/)
  t.notMatch(output(), /ready/)
})
