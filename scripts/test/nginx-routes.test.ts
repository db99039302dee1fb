import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { explain, loadRouting } from '@funmagic/simulators/routing'
import { nginxRoutes } from '../compose/nginx-routes.ts'

const routing = await loadRouting()
const text = nginxRoutes(routing)

/** What nginx does with the map: the first expression that matches. */
function serviceFor(target: string): string | undefined {
  const rules = [...text.matchAll(/^ {4}"~(.*)" ([a-z-]+):\d+;$/gm)]
  return rules.find(([, expression = '']) => new RegExp(expression).test(target))?.[2]
}

t.test('the file in the repository is the one that routing.json makes', async t => {
  t.equal(readFileSync(join(import.meta.dirname, '../../docker/nginx/routes.conf'), 'utf8'), text)
})

t.test('nginx sends every request where the load balancer would', async t => {
  const pieces = [
    '/api',
    '/tasks',
    '/assets',
    '/stream',
    '/auth',
    '/credits',
    '/admin',
    '/progress',
  ]
  const piece = fc.constantFrom(...pieces, '/', 's', '.', '%2e', '?', '?a=/stream', '//', 'Tools')
  const target = fc.array(piece, { maxLength: 8 }).map(parts => `/${parts.join('')}`)
  fc.assert(
    fc.property(target, path => {
      const { service } = explain(routing, { path, headers: {} })
      return serviceFor(path) === service
    }),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(target, path => {
      const full = `/api${path}`
      return serviceFor(full) === explain(routing, { path: full, headers: {} }).service
    }),
    { numRuns: 5_000 },
  )

  t.pass('7,000 paths')
})

t.test('wildcards and marks of a pattern mean what they mean to the load balancer', async t => {
  const made = nginxRoutes({
    ...routing,
    paths: [{ priority: 1, service: 'auth', patterns: ['/a.b?c*$'] }],
  })
  const [, expression = ''] = /"~(.*)" auth/.exec(made) ?? []

  t.ok(new RegExp(expression).test('/a.bXc/more$?query'))
  t.notOk(new RegExp(expression).test('/aXbXc$'))
  t.notOk(new RegExp(expression).test('/a.bc$'))
})
