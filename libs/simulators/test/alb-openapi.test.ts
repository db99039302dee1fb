import type { RequestListener } from 'node:http'
import t from 'tap'
import { mergeDocuments } from '../src/alb/openapi.ts'
import { loadRouting } from '../src/routing.ts'
import { readJson, startTarget, startTestAlb } from './target.ts'

const publish =
  (document: unknown): RequestListener =>
  (request, response) => {
    const isAsked = request.url === '/openapi.json'
    response.writeHead(isAsked ? 200 : 404, { 'content-type': 'application/json' })
    response.end(isAsked ? JSON.stringify(document) : '{}')
  }

const referTo = (name: string) => ({
  get: { responses: { 200: { $ref: `#/components/schemas/${name}` } } },
})

t.test(
  'the merged document has the public operations of each service and says who is down',
  async t => {
    const asset = await startTarget(
      t,
      publish({ openapi: '3.1.0', paths: { '/api/assets/{id}': {}, '/health': {} } }),
    )
    const gateway = await startTarget(
      t,
      publish({
        openapi: '3.1.0',
        tags: [{ name: 'Tasks' }],
        paths: { '/api/tasks/{taskId}': {}, '/api/tasks/{taskId}/stream': {} },
      }),
    )
    const alb = await startTestAlb(t, {
      stable: { asset: [asset.url], 'task-gateway': [gateway.url], credit: ['http://127.0.0.1:1'] },
    })

    const reply = await fetch(`${alb.url}/api/openapi.json`)
    const document = await readJson(reply)

    t.same(Object.keys(Object(document['paths'])), ['/api/assets/{id}', '/api/tasks/{taskId}'])
    t.same(document['x-missing-services'], ['auth', 'credit', 'progress'])
    t.match(document, { openapi: '3.1.0', tags: [{ name: 'Tasks' }], servers: [{ url: '/' }] })
  },
)

t.test('one name for two schemas does not mix them up', async t => {
  const routing = await loadRouting()
  const problem = { type: 'object' }
  const documents = new Map([
    [
      'asset',
      {
        paths: { '/api/assets': referTo('View') },
        components: { schemas: { View: { type: 'string' }, Problem: problem } },
      },
    ],
    [
      'credit',
      {
        paths: { '/api/credits': referTo('View') },
        components: { schemas: { View: { type: 'number' }, Problem: problem } },
      },
    ],
  ])

  const merged = mergeDocuments(routing, documents)

  t.same(merged['components'], {
    schemas: { View: { type: 'string' }, Problem: problem, 'credit.View': { type: 'number' } },
  })
  t.match(merged['paths'], {
    '/api/assets': referTo('View'),
    '/api/credits': referTo('credit.View'),
  })
})

t.test('the reference page and its script come from this host alone', async t => {
  const alb = await startTestAlb(t, { stable: {} })

  const page = await fetch(`${alb.url}/api/docs`)
  const html = await page.text()
  const script = await fetch(`${alb.url}/api/docs/js/scalar.js`)

  t.equal(page.status, 200)
  t.match(html, /\/api\/openapi\.json/)
  t.notMatch(html, /src="https?:/)
  t.match(page.headers.get('content-security-policy'), /default-src 'self'/)
  t.match(script.headers.get('content-type'), /javascript/)
  t.ok((await script.text()).length > 100_000)
})
