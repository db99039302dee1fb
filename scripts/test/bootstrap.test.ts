import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { openProject } from './bootstrap-project.ts'

t.test('the first run installs, generates and hands over; the second only hands over', async t => {
  const { start, lines } = openProject(t)

  const first = await start(['test', '3', 'b c']).ended
  const second = await start(['test']).ended

  t.match(first, { code: 3, output: /handed over \["3","b c"\]/ })
  t.match(second, { code: 0, output: /^handed over \[\]\n$/ })
  t.equal(lines('installations.log').length, 1)
  t.equal(lines('generations.log').length, 1)
})

t.test('a changed lockfile installs again, a changed Prisma schema generates again', async t => {
  const { root, start, lines } = openProject(t)
  await start(['test']).ended

  writeFileSync(join(root, 'pnpm-lock.yaml'), 'lockfileVersion: 10')
  await start(['test']).ended
  writeFileSync(join(root, 'libs/database/prisma/schema/a.prisma'), '// two')
  await start(['test']).ended

  t.equal(lines('installations.log').length, 2)
  t.equal(lines('generations.log').length, 3, 'the lockfile may bring another Prisma')
})

t.test('three starts at once, beside the lock of a dead process, install once', async t => {
  const { root, start, lines } = openProject(t)
  mkdirSync(join(root, '.local'))
  writeFileSync(join(root, '.local/bootstrap.lock'), '4194304 dead')

  const all = await Promise.all([1, 2, 3].map(() => start(['test']).ended))

  t.same(
    all.map(({ code }) => code),
    [0, 0, 0],
  )
  t.equal(lines('installations.log').length, 1)
  t.notOk(existsSync(join(root, '.local/bootstrap.lock')))
})

t.test('an unknown command names the known ones and touches nothing', async t => {
  const { root, start } = openProject(t)

  const outcome = await start(['tset']).ended

  t.match(outcome, { code: 1, output: /Unknown command: tset\nKnown commands: start, / })
  t.notOk(existsSync(join(root, '.local')))
})

t.test('an unreachable registry is explained, and the next run tries again', async t => {
  const { root, start, lines } = openProject(t)
  writeFileSync(join(root, 'fail.txt'), 'npm error code EAI_AGAIN\n')

  const first = await start(['test']).ended
  const second = await start(['test']).ended

  t.match(first, { code: 1, output: /EAI_AGAIN[\s\S]*registry could not be reached/ })
  t.notMatch(first.output, 'at ', 'there is no stack')
  t.equal(second.code, 1)
  t.equal(lines('installations.log').length, 2)
})

t.test('of the settings npm hands to its scripts only the way to the registry goes on', async t => {
  const { start, lines } = openProject(t)
  const env = { npm_config_registry: 'http://registry.test', npm_config_prefix: '/nowhere' }

  await start(['test'], env).ended

  t.match(lines('installations.log')[0], /registry=http:\/\/registry\.test prefix=$/)
})

t.test('a request to stop reaches the script, whose exit code is the answer', async t => {
  const { start } = openProject(t)
  const run = start(['test', 'wait'])
  for (let tries = 0; tries < 200 && !run.shown().includes('handed over'); tries++) await pause(50)

  run.child.kill('SIGTERM')

  t.match(await run.ended, { code: 7 })
})
