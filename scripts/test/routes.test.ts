import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { explain, loadRouting } from '@funmagic/simulators/routing'
import fc from 'fast-check'
import t from 'tap'
import { runRoutes } from '../routes/command.ts'
import { considerRules } from '../routes/consider.ts'

const devMode = ['--header', 'X-Dev-Mode: true']
const betaCookie = ['--header', 'Cookie: theme=dark; x-beta-access=true']

async function explained(...parameters: string[]) {
  const { output, exitCode } = await runRoutes(['explain', '--json', ...parameters])
  t.equal(exitCode, 0)
  return JSON.parse(output)
}

t.test('the command of the README says which rule and which target win, and why', async t => {
  const script = join(import.meta.dirname, '../routes.ts')
  const asked = ['explain', ...devMode, 'GET', '/api/tasks']
  const { stdout, status } = spawnSync(process.execPath, [script, ...asked], { encoding: 'utf8' })

  t.equal(status, 0)
  t.match(stdout, 'goes to task-gateway, port 3004, in the beta group')
  t.match(stdout, 'dev-mode (priority 1): the header X-Dev-Mode is true')
  t.match(stdout, /WINS 1 dev-mode.*\n {2}late 2 beta-access/)
  t.match(stdout, 'path rule 50: /api/tasks is /api/tasks*')
})

t.test('the header goes before the cookie, and the cookie before the default', async t => {
  const both = await explained(...devMode, ...betaCookie, 'GET', '/api/assets')
  const cookie = await explained(...betaCookie, 'GET', '/api/assets')
  const neither = await explained('GET', '/api/assets')

  t.match(both, { route: { group: 'beta' }, decidedBy: { group: /^dev-mode/ } })
  t.match(cookie, { route: { group: 'beta' }, decidedBy: { group: /^beta-access/ } })
  t.match(neither, { route: { group: 'stable' }, decidedBy: { group: /default/ } })
})

t.test('a cookie that only contains the text is told apart, in words', async t => {
  const trap = ['--header', 'Cookie: nox-beta-access=trueish']
  const { route, steering } = await explained(...trap, 'GET', '/api/tasks')

  t.equal(route.group, 'stable')
  t.match(steering[1], { isMatch: false, reason: /only a part of another cookie/ })
})

t.test('a path that no rule knows has no target', async t => {
  const { output } = await runRoutes(['explain', 'GET', '/elsewhere'])

  t.match(output, 'goes to nobody')
  t.match(output, 'answers 404')
})

t.test('a rule that would match after the winner is shown as late', async t => {
  const { output } = await runRoutes(['explain', 'GET', '/api/tasks/1/stream'])

  t.match(output, 'goes to progress')
  t.match(output, /late 50 task-gateway.*would match/)
})

t.test('every rule of the file is listed, in words and as data', async t => {
  const routing = await loadRouting()
  const words = await runRoutes(['list'])
  const data = await runRoutes(['list', '--json'])

  for (const { name } of routing.steering) t.match(words.output, name)
  for (const { patterns } of routing.paths) t.match(words.output, patterns[0] ?? 'none')
  t.same(JSON.parse(data.output), routing)
})

t.test('bad usage is explained with exit code 2', async t => {
  const rows: [string[], RegExp][] = [
    [[], /No command/],
    [['expalin'], /Unknown command: expalin/],
    [['explain', 'GET'], /a method and a path/],
    [['explain', 'GET', 'api/tasks'], /must begin with \//],
    [['explain', 'get', '/api/tasks'], /not a method/],
    [['explain', '--header', 'X-Dev-Mode', 'GET', '/'], /not a header/],
    [['explain', '--hedaer', 'X: y', 'GET', '/'], /^Unknown option '--hedaer'\n/],
    [['list', 'all'], /nothing more/],
  ]
  for (const [parameters, reason] of rows) {
    const { output, errors, exitCode } = await runRoutes(parameters)

    t.same([output, exitCode], ['', 2], parameters.join(' '))
    t.match(errors, reason)
    t.match(errors, 'Usage:')
  }
})

t.test('--help says how to use it, and is no fault', async t => {
  const { output, errors, exitCode } = await runRoutes(['--help'])

  t.same([errors, exitCode], ['', 0])
  t.match(output, /^Usage:/)
})

t.test('for any headers and path, the rules shown as winning are those that decide', async t => {
  const routing = await loadRouting()
  const word = fc.constantFrom('true', 'TRUE', 'false', 'trueish', '')
  const cookie = fc.constantFrom('x-beta-access=', 'nox-beta-access=', 'a=1; x-beta-access=')
  const path = fc.constantFrom('/api/tasks', '/api/tasks/1/stream', '/api/assets/1?x', '/none')
  const headers = fc.record(
    { 'x-dev-mode': word, cookie: fc.tuple(cookie, word).map(parts => parts.join('')) },
    { requiredKeys: [] },
  )
  const property = fc.property(path, headers, (path, headers) => {
    const { steering, paths, route } = considerRules(routing, { path, headers })
    const winner = steering.find(rule => rule.isMatch)?.name ?? 'default'
    const pathWinner = paths.find(rule => rule.isMatch)
    t.same(route, explain(routing, { path, headers }))
    t.match(route.rule, winner)
    t.equal(route.service, pathWinner?.name)
  })

  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }))
})
