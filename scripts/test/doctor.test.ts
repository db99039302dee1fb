import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import t, { type Test } from 'tap'
import { runChecks, type Outcome } from '../doctor/check.ts'
import { isCloudflareProxy } from '../doctor/cloudflare.ts'
import { checksOf, runDoctor } from '../doctor/command.ts'
import type { Names } from '../doctor/dns-checks.ts'
import { liveInstallation, type Installation } from '../doctor/installation.ts'
import type { TlsOptions } from '../doctor/tls-checks.ts'
import {
  goodService,
  listenOn,
  makeCertificate,
  serve,
  startInstallation,
  type Faults,
} from './doctor-installation.ts'

const deadlineMs = 5_000
const grey: Names = {
  addresses: async () => ['18.160.41.22', '2600:9000:2156:5800::1'],
  cname: async host => (host.endsWith('.net') ? undefined : 'd111.cloudfront.net'),
}

async function examine(
  installation: Installation,
  surroundings: { names?: Names; tls?: TlsOptions } = {},
): Promise<Map<string, Outcome>> {
  const checks = await checksOf(installation, { names: grey, ...surroundings })
  const outcomes = await runChecks(checks, deadlineMs)
  return new Map(outcomes.map(outcome => [outcome.name, outcome]))
}

async function failuresWith(t: Test, faults: Faults): Promise<Record<string, string>> {
  const outcomes = [...(await examine(await startInstallation(t, faults))).values()]
  const failed = outcomes.filter(({ status }) => status === 'failed')
  return Object.fromEntries(failed.map(({ name, detail }) => [name, detail]))
}

/** A load balancer that takes a cookie for a text, as the Cookie header with wildcards would. */
const careless: RequestListener = (request, response) => {
  const isBeta =
    request.headers['x-dev-mode'] === 'true' ||
    (request.headers.cookie ?? '').includes('x-beta-access=true')
  response.setHeader('x-served-by', isBeta ? 'beta' : 'stable')
  request.url = request.url?.replace('/api/openapi', '/openapi')
  goodService(request, response)
}

t.test('a good installation passes, and what cannot be checked here is said', async t => {
  const outcomes = await examine(await startInstallation(t))
  const failed = [...outcomes.values()].filter(({ status }) => status === 'failed')

  t.same(failed, [])
  t.match(outcomes.get('dns 127.0.0.1'), { status: 'skipped' })
  t.match(outcomes.get('steering, cookie: nox-beta-access=trueish'), { status: 'ok' })
  t.match(outcomes.get('private file without a signature'), { detail: '403 MissingKey' })
  t.equal([...outcomes.keys()].filter(name => name.startsWith('health ')).length, 6)
})

t.test('a cookie that is matched as a substring is found', async t => {
  t.match(await failuresWith(t, { edge: careless }), {
    'steering, cookie: nox-beta-access=trueish': 'served by beta, not by stable',
  })
})

t.test('steering that sends everybody to one stack is found', async t => {
  const failures = await failuresWith(t, { routing: rules => ({ ...rules, steering: [] }) })

  t.same(Object.keys(failures).sort(), [
    'steering, X-Dev-Mode: true',
    'steering, cookie: theme=dark; x-beta-access=true',
  ])
})

t.test('an edge that does not say who served is found', async t => {
  const failures = await failuresWith(t, { edge: goodService })

  t.match(failures['steering, nothing sent'], 'without X-Served-By')
})

t.test('a private distribution without a key group is found, though it answers 403', async t => {
  t.same(await failuresWith(t, { isPrivateOpen: true }), {
    'private file without a signature': '403 AccessDenied: no signature was asked for',
  })
})

t.test('a bucket that answers strangers is found', async t => {
  const open: RequestListener = (_request, response) => void response.writeHead(200).end('here')
  const failures = await failuresWith(t, { store: open })

  t.equal(failures['direct S3, private bucket'], '200 to list, 200 to read')
})

t.test(
  'an object that S3 gives away beside the CDN is found, and one it refuses is fine',
  async t => {
    const installation = await startInstallation(t)
    const cdn = await serve(t, (_request, response) => void response.end('bytes'))
    const publicObject = 'public/shared/1.webp'
    const closed = await examine({ ...installation, cdn, publicObject })
    const open = { ...installation.buckets, public: cdn }
    const leaking = await examine({ ...installation, cdn, publicObject, buckets: open })

    t.match(closed.get('direct S3, an object of the CDN'), { status: 'ok' })
    t.match(leaking.get('direct S3, an object of the CDN'), { detail: /itself answers 200/ })
  },
)

t.test('a sick service, missing headers and a missing document are found', async t => {
  const sick: RequestListener = (_request, response) => void response.writeHead(503).end()
  const failures = await failuresWith(t, { service: sick })

  t.match(failures['health asset'], 'answers 503')
  t.match(failures['security headers'], /content-security-policy/)
  t.match(failures['OpenAPI document'], 'without auth, asset')
})

t.test('services of a live installation are asked through the edge', async t => {
  const local = await startInstallation(t)
  const outcomes = await examine({ ...local, services: undefined, isLocal: false })

  t.match(outcomes.get('health asset'), { status: 'ok', detail: 'answers 200' })
  t.match(outcomes.get('health provider-worker'), { status: 'skipped' })
  t.match(outcomes.get('security headers of files'), { status: 'failed' })
})

t.test('where nobody is steered, beta is what is wrong', async t => {
  const outcomes = await examine({ ...(await startInstallation(t)), hasBeta: false })

  t.match(outcomes.get('steering, nothing sent'), { status: 'ok' })
  t.match(outcomes.get('steering, X-Dev-Mode: true'), { detail: 'served by beta, not by stable' })
})

t.test('DNS: grey clouds that lead to CloudFront pass; orange ones and others do not', async t => {
  const live = liveInstallation({ domain: 'funmagic.test', hasBeta: true, edge: 'http://[::1]:1' })
  const verdictOf = async (names: Partial<Names>) => {
    const checks = await checksOf(live, { names: { ...grey, ...names } })
    const [outcome] = await runChecks(checks.slice(0, 1), deadlineMs)
    return outcome
  }

  t.match(await verdictOf({}), { name: 'dns cdn.funmagic.test', status: 'ok', detail: /d111/ })
  t.match(await verdictOf({ addresses: async () => [] }), { detail: /no address/ })
  t.match(await verdictOf({ addresses: async () => ['104.18.3.7'] }), { detail: /orange/ })
  t.match(await verdictOf({ cname: async () => undefined }), { detail: /not CloudFront/ })
  t.match(await verdictOf({ cname: async () => 'origin.funmagic.test' }), { status: 'failed' })
})

t.test('Cloudflare’s addresses are told from their neighbours, in both families', async t => {
  const proxies = ['104.16.0.1', '104.27.255.255', '172.71.255.255', '2606:4700::6812:1']
  const others = ['104.28.0.0', '172.72.0.1', '18.160.41.22', '2600:9000::1', '2606:4701::1']

  for (const address of proxies) t.ok(isCloudflareProxy(address), address)
  for (const address of others) t.notOk(isCloudflareProxy(address), address)
})

t.test('TLS: certificates and the way from plain HTTP', async t => {
  const made = makeCertificate(t)
  if (made === undefined) {
    return t.pass('certificates', { skip: 'there is no openssl here to make one with' })
  }
  const port = await listenOn(t, createTlsServer(made, goodService))
  const httpPort = await listenOn(t, redirecting())
  const deafPort = Number(new URL(await serve(t, goodService)).port)
  const edge = `https://localhost:${port}`
  const installation = { ...(await startInstallation(t)), edge }
  const look = async (tls: Partial<TlsOptions>) => {
    const trusted = { now: Date.now, authorities: [made.cert], httpPort, ...tls }
    const outcomes = await examine(installation, { tls: trusted })
    return [outcomes.get(`tls localhost:${port}`), outcomes.get(`http to https localhost:${port}`)]
  }
  const inDays = (days: number) => ({ now: () => Date.now() + days * 86_400_000 })

  t.match(await look({}), [{ status: 'ok', detail: /TLSv1.3, (89|90) days/ }, { status: 'ok' }])
  t.match(await look(inDays(80)), [{ status: 'failed', detail: /expires in/ }])
  t.match(await look(inDays(100)), [{ status: 'failed', detail: /expired on/ }])
  t.match(await look({ authorities: [] }), [{ status: 'failed', detail: /not trusted/ }])
  t.match(await look({ httpPort: deafPort }), [{}, { detail: 'plain HTTP answers 200' }])
})

function redirecting() {
  const listener: RequestListener = (_request, response) =>
    void response.writeHead(301, { location: 'https://localhost/' }).end()
  return createServer(listener)
}

t.test('a part that never answers costs its deadline and fails by itself', async t => {
  const silent = { name: 'silent', run: () => new Promise<never>(() => undefined) }
  const broken = { name: 'broken', run: () => Promise.reject(new Error('cut off')) }
  const outcomes = await runChecks([silent, broken], 50)

  t.match(outcomes, [
    { name: 'silent', status: 'failed', detail: 'no answer: nothing within 0.05 s' },
    { name: 'broken', status: 'failed', detail: 'no answer: cut off' },
  ])
})

t.test('the command reports line by line or as JSON, and its exit code is the verdict', async t => {
  const { edge, cdn, privateCdn, services, buckets } = await startInstallation(t)
  const endpoint = new URL(buckets.public).origin
  const stack = { edge, cdn, privateCdn, services, s3: { endpoint } }
  const localFolder = t.testdir({ 'stack.json': JSON.stringify(stack) })
  const written: string[] = []
  const write = (text: string) => void written.push(text)
  const words = await runDoctor([], { localFolder, write })
  const data = await runDoctor(['--json'], { localFolder, write })

  t.same([words, data], [0, 0])
  t.match(written[0], /ok +health asset .*\n/)
  t.match(written[0], /\n\d+ ok, 0 failed, \d+ skipped\n$/)
  t.equal(
    JSON.parse(written[1] ?? '').checks.length,
    (written[0] ?? '').match(/^(ok|FAILED|skipped) /gm)?.length,
  )
})

t.test('bad usage, and nothing to look at, are explained with exit code 2', async t => {
  const localFolder = t.testdir({})
  const rows: [string[], RegExp][] = [
    [[], /Nothing runs here/],
    [['--domian', 'x.ai'], /domian/],
    [['--domain', 'https://x.ai'], /not a domain/],
    [['--domain', 'x.ai', '--cdn', 'cdn.x.ai'], /not an address/],
    [['--cdn', 'https://cdn.x.ai'], /need --domain/],
    [['--deadline', 'soon'], /not a number/],
  ]
  for (const [parameters, reason] of rows) {
    let written = ''
    const write = (text: string) => void (written += text)
    const code = await runDoctor(parameters, { localFolder, write })

    t.equal(code, 2, parameters.join(' '))
    t.match(written, reason)
  }
})

t.test('--help says how to use it, and is no fault', async t => {
  let written = ''
  const write = (text: string) => void (written += text)

  t.equal(await runDoctor(['--help'], { localFolder: t.testdir({}), write }), 0)
  t.match(written, /^Usage:/)
})
