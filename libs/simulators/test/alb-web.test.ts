import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openWebPages } from '../src/alb/web-pages.ts'
import { startTarget, startTestAlb } from './target.ts'

const page = '<!doctype html><div id="app"></div>'

async function startSite(t: Test) {
  const folder = t.testdir({
    site: { 'index.html': page, 'icon.svg': '<svg/>', assets: { 'page-C0ffee_-.js': 'export {}' } },
    'secret.txt': 'not of the site',
  })
  const web = openWebPages({
    folder: join(folder, 'site'),
    pictureOrigins: ['https://cdn.test', 'https://private-cdn.test'],
    uploadOrigins: ['https://store.test'],
  })
  return startTestAlb(t, { stable: {}, web })
}

t.test('without a web client the root leads to the API reference', async t => {
  const alone = await startTestAlb(t, { stable: {} })

  const reply = await fetch(alone.url, { redirect: 'manual' })

  t.match([reply.status, reply.headers.get('location')], [302, '/api/docs/'])
})

t.test(
  'every address of a page is answered with the one page, which is asked for anew',
  async t => {
    const { url } = await startSite(t)

    for (const path of ['/', '/tools/figme', '/share', '/gallery?q=a.b', '/../x', '/a//b']) {
      const reply = await fetch(url + path)

      t.equal(reply.status, 200, path)
      t.equal(await reply.text(), page)
      t.equal(reply.headers.get('cache-control'), 'no-cache')
      t.match(reply.headers.get('content-type'), 'text/html')
    }
  },
)

t.test('files that change their name with their content are kept for ever', async t => {
  const { url } = await startSite(t)

  const script = await fetch(`${url}/assets/page-C0ffee_-.js`)
  const icon = await fetch(`${url}/icon.svg`, { method: 'HEAD' })

  t.match(script.headers.get('content-type'), 'text/javascript')
  t.match(script.headers.get('cache-control'), /immutable/)
  t.equal(await script.text(), 'export {}')
  t.match([icon.status, icon.headers.get('content-length')], [200, '6'])
  t.equal(icon.headers.get('cache-control'), 'no-cache')
})

t.test('nothing but files of the site is given out, and no page for what is not there', async t => {
  const { url } = await startSite(t)
  const wrong = ['/assets/gone.js', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/.env', '/assets.x']

  for (const path of wrong) {
    const reply = await fetch(url + path)

    t.equal(reply.status, 404, path)
    t.match(await reply.json(), { error: { code: 'NOT_FOUND' } })
  }
  for (const [method, path] of Object.entries({ GET: '/api/nothing', POST: '/', PUT: '/tools' })) {
    t.equal((await fetch(url + path, { method })).status, 404, `${method} ${path}`)
  }
})

t.test('pages run scripts of their own origin only, and nobody frames them', async t => {
  const { url } = await startSite(t)

  const { headers } = await fetch(url)
  const policy = headers.get('content-security-policy') ?? ''

  t.match(policy, "default-src 'none'; script-src 'self'; style-src 'self'")
  t.match(policy, "img-src 'self' data: https://cdn.test https://private-cdn.test;")
  t.match(policy, "connect-src 'self' https://store.test;")
  t.match(policy, "frame-ancestors 'none'")
  t.notMatch(policy, /unsafe|\*/)
  t.equal(headers.get('x-content-type-options'), 'nosniff')
})

t.test('a server that has the pages is asked for them, and never for the API', async t => {
  const web = await startTarget(t, (request, response) => response.end(`web ${request.url}`))
  const alb = await startTestAlb(t, { stable: {}, web: web.url })

  const answered = await fetch(`${alb.url}/tools/figme?a=1`)
  const api = await fetch(`${alb.url}/api/nothing`)

  t.equal(await answered.text(), 'web /tools/figme?a=1')
  t.equal(answered.headers.get('x-served-by'), 'web')
  t.equal(api.status, 404)
})
