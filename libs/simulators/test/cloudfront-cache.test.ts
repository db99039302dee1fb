import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { CloudFrontOptions } from '../src/cloudfront/cloudfront.ts'
import { startOrigin, startTestCloudFront } from './origin.ts'

async function setup(t: Test, options: Partial<CloudFrontOptions> = {}) {
  const origin = await startOrigin(t)
  const clock = { nowMs: Date.parse('2026-11-20T12:00:00Z') }
  const cloudFront = await startTestCloudFront(t, origin, { now: () => clock.nowMs, ...options })
  const get = async (key: string, headers: Record<string, string> = {}, method = 'GET') => {
    const reply = await fetch(`${cloudFront.url}/${key}`, { headers, method })
    const { status } = reply
    return { status, cache: reply.headers.get('x-cache'), reply, body: await reply.text() }
  }
  return { origin, clock, cloudFront, get }
}

t.test('an object is fetched once, signed, and then served from the edge with its age', async t => {
  const { origin, clock, get } = await setup(t)
  const headers = { 'cache-control': 'max-age=1, s-maxage=60', 'content-type': 'image/png' }
  origin.objects.set('public/a.png', { body: 'pixels', headers })

  const first = await get('public/a.png')
  clock.nowMs += 59_000
  const second = await get('public/a.png?response-content-type=text/html&x=1')

  t.match(first, { status: 200, cache: 'Miss from cloudfront', body: 'pixels' })
  t.match(second, { status: 200, cache: 'Hit from cloudfront', body: 'pixels' })
  t.equal(second.reply.headers.get('age'), '59')
  t.equal(second.reply.headers.get('content-type'), 'image/png')
  t.equal(origin.asked.length, 1)
  t.equal(origin.asked[0]?.path.split('?')[0], '/bucket/public/a.png')
  t.notMatch(origin.asked[0]?.path, /response-content-type/)
  t.match(origin.asked[0]?.authorization, /^AWS4-HMAC-SHA256 Credential=AK\//)
})

t.test(
  'a stale object is asked for by its ETag and used again when it has not changed',
  async t => {
    const { origin, clock, get } = await setup(t)
    origin.objects.set('public/a', { body: 'old', headers: { 'cache-control': 'max-age=10' } })

    await get('public/a')
    clock.nowMs += 11_000
    const unchanged = await get('public/a')
    const again = await get('public/a')
    origin.objects.set('public/a', { body: 'new', headers: { 'cache-control': 'max-age=10' } })
    clock.nowMs += 11_000
    const changed = await get('public/a')

    t.match(unchanged, { cache: 'RefreshHit from cloudfront', body: 'old' })
    t.match(again, { cache: 'Hit from cloudfront', body: 'old' })
    t.match(changed, { cache: 'Miss from cloudfront', body: 'new' })
    t.match(origin.asked[1]?.ifNoneMatch, /^"[0-9a-f]{32}"$/)
  },
)

t.test('what the origin calls private or no-store is never kept', async t => {
  const { origin, get } = await setup(t)
  for (const directive of ['private, max-age=60', 'no-store']) {
    origin.objects.set('public/a', { body: 'x', headers: { 'cache-control': directive } })

    await get('public/a')
    const second = await get('public/a')

    t.equal(second.cache, 'Miss from cloudfront', directive)
  }
})

t.test('a missing object is 403, remembered for the error time, and then seen', async t => {
  const { origin, clock, get } = await setup(t)

  const missing = await get('public/late.png')
  origin.objects.set('public/late.png', { body: 'now it is here' })
  clock.nowMs += 9_000
  const stillMissing = await get('public/late.png')
  clock.nowMs += 1_000
  const found = await get('public/late.png')

  t.match(missing, { status: 403, cache: 'Error from cloudfront', body: /AccessDenied/ })
  t.match(stillMissing, { status: 403, cache: 'Error from cloudfront' })
  t.match(found, { status: 200, body: 'now it is here' })
  t.equal(origin.asked.length, 2)
})

t.test('with an error time of zero an early look does not stick', async t => {
  const { origin, get } = await setup(t, { errorTtlSeconds: 0 })

  const missing = await get('public/late.png')
  origin.objects.set('public/late.png', { body: 'x' })

  t.equal(missing.status, 403)
  t.equal((await get('public/late.png')).status, 200)
})

t.test('viewers who come at once share one read of the origin', async t => {
  const { origin, get } = await setup(t)
  origin.objects.set('public/a', { body: 'shared' })
  const gate = Promise.withResolvers<undefined>()
  origin.fault = () => gate.promise

  const viewers = Promise.all(Array.from({ length: 10 }, () => get('public/a')))
  gate.resolve(undefined)

  t.same(new Set((await viewers).map(viewer => viewer.body)), new Set(['shared']))
  t.equal(origin.asked.length, 1)
})

t.test('a viewer who has the object is told 304, and HEAD has no body', async t => {
  const { origin, get } = await setup(t)
  origin.objects.set('public/a', { body: 'pixels' })

  const head = await get('public/a', {}, 'HEAD')
  const etag = head.reply.headers.get('etag') ?? ''
  const known = await get('public/a', { 'if-none-match': `"x", ${etag}` })
  const unknown = await get('public/a', { 'if-none-match': '"x"' })
  const since = await get('public/a', { 'if-modified-since': 'Mon, 01 Dec 2025 00:00:00 GMT' })

  t.match(head, { status: 200, body: '' })
  t.equal(head.reply.headers.get('content-length'), '6')
  t.match(known, { status: 304, body: '' })
  t.match(unknown, { status: 200, body: 'pixels' })
  t.match(since, { status: 304 })
})

t.test('ranges are cut out of the cached object', async t => {
  const { origin, get } = await setup(t)
  origin.objects.set('public/a', { body: '0123456789' })
  const part = async (range: string, more: Record<string, string> = {}) => {
    const { status, body, reply } = await get('public/a', { range, ...more })
    return [status, body, reply.headers.get('content-range')]
  }

  t.same(await part('bytes=2-4'), [206, '234', 'bytes 2-4/10'])
  t.same(await part('bytes=7-'), [206, '789', 'bytes 7-9/10'])
  t.same(await part('bytes=-2'), [206, '89', 'bytes 8-9/10'])
  t.same(await part('bytes=4-99'), [206, '456789', 'bytes 4-9/10'])
  t.same(await part('bytes=10-'), [416, '', 'bytes */10'])
  t.same(await part('bytes=5-2'), [200, '0123456789', null])
  t.same(await part('bytes=0-1', { 'if-range': '"other"' }), [200, '0123456789', null])
  t.equal(origin.asked.length, 1)
})

t.test('an object larger than the edge keeps is passed through, and so are its ranges', async t => {
  const { origin, get } = await setup(t, { objectBytesMax: 100 })
  origin.objects.set('public/large', { body: 'x'.repeat(1_000) })

  const whole = await get('public/large')
  const part = await get('public/large', { range: 'bytes=10-19' })
  const head = await get('public/large', {}, 'HEAD')

  t.match(whole, { status: 200, cache: 'Miss from cloudfront' })
  t.equal(whole.body.length, 1_000)
  t.match(part, { status: 206, body: 'x'.repeat(10) })
  t.match(head, { status: 200, body: '' })
})

t.test('the cache stays within its bound and forgets what was not used for longest', async t => {
  const { origin, get } = await setup(t, { cacheBytesMax: 6_000 })
  for (const name of ['a', 'b', 'c'])
    origin.objects.set(`public/${name}`, { body: Buffer.alloc(1_500) })

  await get('public/a')
  await get('public/b')
  await get('public/a')
  await get('public/c')

  t.equal((await get('public/a')).cache, 'Hit from cloudfront')
  t.equal((await get('public/b')).cache, 'Miss from cloudfront')
})

t.test('a broken origin is 502, its own errors pass, and both are forgotten in time', async t => {
  const { origin, clock, get } = await setup(t)
  origin.objects.set('public/a', { body: 'x' })

  origin.fault = () => 'cut'
  const broken = await get('public/a')
  clock.nowMs += 10_000
  origin.fault = () => 503
  const busy = await get('public/a')
  clock.nowMs += 10_000
  origin.fault = undefined
  const well = await get('public/a')

  t.match(broken, { status: 502, cache: 'Error from cloudfront' })
  t.match(busy, { status: 503, cache: 'Error from cloudfront' })
  t.match(well, { status: 200, body: 'x' })
})

t.test('an error is kept for the time of its status, whatever the origin says', async t => {
  const errorTtlSecondsByStatus = { 403: 0, 503: 60 }
  const { origin, clock, get } = await setup(t, { errorTtlSecondsByStatus })
  origin.fault = () => 503

  const busy = await get('public/a')
  origin.fault = undefined
  clock.nowMs += 59_000
  const still = await get('public/a')
  clock.nowMs += 1_000
  const missing = await get('public/a')
  origin.objects.set('public/a', { body: 'x' })
  const found = await get('public/a')

  t.same(
    [busy, still, missing, found].map(({ status }) => status),
    [503, 503, 403, 200],
  )
})

t.test('an origin that does not answer is 504', async t => {
  const origin = await startOrigin(t)
  const { url: endpoint } = origin
  origin.fault = () => new Promise(() => undefined)
  const slow = await startTestCloudFront(t, origin, {
    origin: {
      endpoint,
      bucket: 'bucket',
      accessKeyId: 'A',
      secretAccessKey: 'S',
      replyTimeoutMs: 20,
    },
  })

  const reply = await fetch(`${slow.url}/public/a`)

  t.equal(reply.status, 504)
})

t.test('every reply keeps scripts in user content from running', async t => {
  const { origin, get } = await setup(t)
  origin.objects.set('public/a', { body: '<svg/>', headers: { 'content-type': 'image/svg+xml' } })

  for (const { reply } of [await get('public/a'), await get('public/none')]) {
    t.equal(reply.headers.get('access-control-allow-origin'), '*')
    t.equal(reply.headers.get('x-content-type-options'), 'nosniff')
    t.equal(reply.headers.get('content-security-policy'), "sandbox; default-src 'none'")
  }
})

t.test('methods that would change something are refused', async t => {
  const { origin, get } = await setup(t)

  for (const method of ['PUT', 'POST', 'DELETE', 'OPTIONS']) {
    t.equal((await get('public/a', {}, method)).status, 403, method)
  }
  t.same(origin.asked, [])
})

t.test('no spelling of a path leads out of the prefix or to another bucket', async t => {
  const { origin, cloudFront } = await setup(t)
  const canary = 'CANARY'
  for (const key of [
    'private/a',
    'secret',
    'public',
    'Public/a',
    'public/../private/a',
    '../b/a',
  ]) {
    origin.objects.set(key, { body: canary })
  }
  const { port } = new URL(cloudFront.url)
  const ask = async (path: string) =>
    new Promise<string>((resolve, reject) => {
      const request = httpRequest({ port, path }, reply => {
        text(reply).then(body => resolve(`${reply.statusCode} ${body}`), reject)
      })
      request.once('error', reject).end()
    })
  const paths = String.raw`/private/a /secret /public /Public/a /PUBLIC/a //public/a /./public/a
    /public/../private/a /public/%2e%2e/private/a /public/%2E%2E/private/a
    /public/..%2fprivate/a /public%2f..%2fprivate/a /public/%252e%252e/private/a
    /public/..\private\a /public/..%5cprivate%5ca /public//../private/a /public/a/..;/../private/a
    /public/%00/../private/a /public/%c0%ae%c0%ae/private/a /public/../../b/a
    /%70ublic/../private/a http://x/private/a /bucket/private/a
    /public/ /public/. /public/.. / /% /public/%zz`

  for (const path of paths.split(/\s+/)) {
    const answer = await ask(path)
    t.match(answer, /^403 /, path)
    t.notMatch(answer, /CANARY/, path)
  }
  const strange = origin.asked.filter(({ path }) => /\.\.|\\|%5c|%00|\/\//i.test(path))
  t.same(strange, [], 'the origin was asked for nothing strange')
})

t.test('a distribution answers under its own names only', async t => {
  const { origin, cloudFront } = await setup(t, { aliases: ['cdn.test'] })
  origin.objects.set('public/a', { body: 'x' })
  const statusFor = (host: string) =>
    new Promise(resolve => {
      const options = { headers: { host } }
      const url = `${cloudFront.url}/public/a`
      httpRequest(url, options, reply => resolve(reply.resume().statusCode)).end()
    })

  t.equal(await statusFor('cdn.test'), 200)
  t.equal(await statusFor('private-cdn.test'), 403)
})

t.test('of a day of visits edges answer nine in ten, whatever the query string (P32)', async t => {
  const { origin, clock, get } = await setup(t)
  const files = 20
  const visits = 400
  // As libs/asset says of what people share.
  const headers = { 'cache-control': 'public, max-age=300, s-maxage=31536000' }
  for (let file = 0; file < files; file++) {
    origin.objects.set(`public/shared/${file}`, { body: String(file), headers })
  }
  let hits = 0
  let seed = 7

  for (let visit = 0; visit < visits; visit++) {
    seed = (seed * 48_271) % 2_147_483_647
    // A few are asked for much and most of them seldom.
    const file = Math.floor(files * (seed / 2_147_483_647) ** 3)
    const { body, cache } = await get(`public/shared/${file}?utm=${visit}`)
    if (body !== String(file)) t.fail(`${file} answered ${body}`)
    if (cache === 'Hit from cloudfront') hits++
    clock.nowMs += 86_400_000 / visits
  }

  t.ok(hits / visits > 0.9, `${hits} of ${visits}`)
  t.ok(origin.asked.length <= visits - hits)
})
