import { existsSync, mkdirSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LogFile } from '../local/log-file.ts'
import { readLogLine } from '../local/log-line.ts'
import { claimOutside, dropForeignOutside } from '../local/outside-folder.ts'
import { loadSecrets } from '../local/secrets.ts'

async function setup(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'local files '))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

t.test('secrets are made once, for their owner alone', async t => {
  const folder = await setup(t)

  const made = await loadSecrets(folder)
  const read = await loadSecrets(folder)

  t.same(read, made)
  t.equal(statSync(join(folder, 'secrets.json')).mode & 0o777, 0o600)
  t.match(made.cloudFront, { id: /^K[A-Z0-9]{13}$/, privateKeyPem: /^-----BEGIN PRIVATE KEY/ })
})

t.test('a secret that is missing is made, and the others stay', async t => {
  const folder = await setup(t)
  await writeFile(join(folder, 'secrets.json'), JSON.stringify({ secretKey: 'as it was' }))

  const completed = await loadSecrets(folder)

  t.equal(completed.secretKey, 'as it was')
  t.same(await loadSecrets(folder), completed)
})

t.test('a log takes no more than two files of its limit', async t => {
  const path = join(await setup(t), 'service.log')
  const log = new LogFile(path)
  const line = 'x'.repeat(1024 ** 2)

  for (let count = 0; count < 25; count++) log.write(line)
  log.close()

  t.ok(statSync(path).size <= 11 * 1024 ** 2)
  t.ok(statSync(`${path}.1`).size <= 11 * 1024 ** 2)
  t.notOk(existsSync(`${path}.2`))
})

t.test('a line of a log is shown with what it says, an error with its place', async t => {
  const err = { stack: 'Error: broken\n    at one\n    at two' }

  t.same(readLogLine('plain text'), { level: 30, text: 'plain text' })
  t.same(readLogLine('{"half of a'), { level: 30, text: '{"half of a' })
  t.same(readLogLine(JSON.stringify({ level: 40, msg: 'slow', err })), {
    level: 40,
    text: 'warn slow: Error: broken',
  })
  t.match(readLogLine(JSON.stringify({ level: 50, msg: 'failed', err })).text, /at two$/)
})

t.test('what a former clone kept outside is removed, what this one keeps stays', async t => {
  const folder = await setup(t)
  const [local, outside] = [join(folder, 'local'), join(folder, 'outside')]
  for (const place of [local, outside]) mkdirSync(place)
  await writeFile(join(outside, 'owner'), 'a former clone')

  await dropForeignOutside({ local, outside })
  t.notOk(existsSync(outside))

  mkdirSync(outside)
  await claimOutside({ local, outside })
  await dropForeignOutside({ local, outside })
  t.ok(existsSync(outside))
})
