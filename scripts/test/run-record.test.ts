import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { endRecordedOrphans } from '../local/orphans.ts'
import { findIdentity, isRunning } from '../local/process-identity.ts'
import { AlreadyRunning, findRunning, RunRecord } from '../local/run-record.ts'

const dead = { pid: 999_999_999, startedAt: 'never' }

async function setup(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'run-record-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  t.teardown(() => child.kill('SIGKILL'))
  const identity = await findIdentity(child.pid ?? 0)
  if (identity === undefined) throw new Error('the child has no identity')
  const leave = (children: object[]) =>
    writeFile(join(folder, 'run.json'), JSON.stringify({ supervisor: dead, children }))
  return { folder, child, identity, leave }
}

t.test('while the holder lives a second one is refused', async t => {
  const { folder } = await setup(t)
  const record = await RunRecord.take(folder)

  await t.rejects(RunRecord.take(folder), AlreadyRunning)
  t.match(await findRunning(folder), { pid: process.pid })

  await record.release()
  t.equal(await findRunning(folder), undefined)
})

t.test('of several that find a dead holder one takes over', async t => {
  const { folder, leave } = await setup(t)
  await leave([])

  const takes = await Promise.allSettled([RunRecord.take(folder), RunRecord.take(folder)])

  t.equal(takes.filter(({ status }) => status === 'fulfilled').length, 1)
})

t.test('what a dead holder left is ended and struck off', async t => {
  const { folder, identity, leave } = await setup(t)
  await leave([{ name: 'auth', ...identity }])

  const record = await RunRecord.take(folder)
  const ended = await endRecordedOrphans(record)

  t.same(ended, ['auth'])
  t.notOk(await isRunning(identity))
  t.match(await readFile(join(folder, 'run.json'), 'utf8'), '"children":[]')
})

t.test('a process that only has the number of a recorded one is left alone', async t => {
  const { folder, identity, leave } = await setup(t)
  await leave([{ name: 'auth', pid: identity.pid, startedAt: 'another boot' }])

  const ended = await endRecordedOrphans(await RunRecord.take(folder))

  t.same(ended, [])
  t.ok(await isRunning(identity))
})
