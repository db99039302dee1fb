import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Report } from '../local/report.ts'
import { RunRecord } from '../local/run-record.ts'
import { Supervisor, type Part } from '../local/supervisor.ts'
import { until } from '../local/waiting.ts'

async function setup(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'supervisor-'))
  const record = await RunRecord.take(folder)
  const told: string[] = []
  const keep = (text: string) => void told.push(text)
  const report: Report = { tell: keep, warn: keep, print: keep }
  const { signal } = new AbortController()
  const onRestart = async () => undefined
  const supervisor = new Supervisor({ report, record, logsFolder: folder, signal, onRestart })
  t.teardown(async () => {
    await supervisor.stop(['worker'])
    await rm(folder, { recursive: true })
  })
  return { folder, supervisor, told }
}

/** A part that is ready when its script has made the file `ready`. */
function partOf(folder: string, script: string): Part {
  const ready = join(folder, 'ready')
  const plan = {
    name: 'worker',
    command: '/bin/sh',
    parameters: ['-c', script],
    environment: { PATH: '/usr/bin:/bin' },
    folder,
    stopSignal: 'SIGTERM',
    stopDeadlineMs: 300,
  } as const
  const check = async () => {
    if (!existsSync(ready)) throw new Error('not yet')
  }
  return { plan, check, readyDeadlineMs: 5_000, isHeard: true }
}

t.test('a process that ends before it is ready is shown with its last lines', async t => {
  const { folder, supervisor } = await setup(t)

  const start = supervisor.start(partOf(folder, 'echo "no such table"; exit 3'))

  await t.rejects(start, { message: /worker ended with exit code 3\..*no such table/s })
})

t.test('a process that crashes is told of with its last lines, and comes back', async t => {
  const { folder, supervisor, told } = await setup(t)
  await supervisor.start(partOf(folder, 'echo working; touch ready; exec sleep 60'))
  const { worker: firstPid = 0 } = supervisor.pids()

  process.kill(firstPid, 'SIGKILL')
  const isBack = async () => {
    if (!told.includes('worker works again')) throw new Error('not yet')
  }
  await until(isBack, { deadlineMs: 10_000 })

  t.match(told[0], /worker ended with signal SIGKILL; it is started again.*working/s)
  t.not(supervisor.pids()['worker'], firstPid)
})

t.test('a process that does not listen is killed at its deadline', async t => {
  const { folder, supervisor, told } = await setup(t)
  await supervisor.start(partOf(folder, 'trap "" TERM; touch ready; while :; do sleep 0.1; done'))
  const { worker: pid = 0 } = supervisor.pids()

  await supervisor.stop(['worker'])

  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  t.same(told, [], 'an end that was asked for is no crash')
})

t.test('warnings are heard, and everything is in the log', async t => {
  const { folder, supervisor, told } = await setup(t)
  const lines = ['{"level":40,"msg":"slow","taskId":"t1"}', '{"level":30,"msg":"fine"}']
  const print = lines.map(line => `echo '${line}'`).join('; ')

  await supervisor.start(partOf(folder, `${print}; touch ready; exec sleep 60`))
  await supervisor.stop(['worker'])

  t.same(told, ['worker: warn slow taskId=t1'])
  t.equal(await readFile(join(folder, 'worker.log'), 'utf8'), `${lines.join('\n')}\n`)
})
