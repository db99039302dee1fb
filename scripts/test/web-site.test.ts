import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { startAlb } from '@funmagic/simulators/alb'
import { loadRouting } from '@funmagic/simulators/routing'
import { readSettings } from '../../libs/simulators/src/settings.ts'
import { openWebPages } from '../../libs/simulators/src/alb/web-pages.ts'
import { composeEnvironment } from '../compose/environment.ts'
import { environmentOf, readCompose, readDotEnv } from './compose-file.ts'

const root = join(import.meta.dirname, '../..')

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

const pictureOrigins = ['https://cdn.test', 'https://private-cdn.test']
const uploadOrigins = ['https://store.test']

/** What nginx adds to every answer, with its variables filled in. */
function headersOfNginx(): Record<string, string> {
  const text = read('docker/nginx/web-policy.conf.template')
    .replace('${PICTURE_ORIGINS}', pictureOrigins.join(' '))
    .replace('${UPLOAD_ORIGINS}', uploadOrigins.join(' '))
  const lines = [...text.matchAll(/^add_header (\S+) (?:"([^"]+)"|(\S+)) always;$/gm)]
  return Object.fromEntries(
    lines.map(([, name = '', quoted, bare]) => [name.toLowerCase(), quoted ?? bare ?? '']),
  )
}

t.test('pages come with the same policy from nginx and from the simulated edge', async t => {
  const folder = t.testdir({ 'index.html': '<!doctype html>' })
  const web = openWebPages({ folder, pictureOrigins, uploadOrigins })
  const routing = await loadRouting()
  await using edge = await startAlb({ host: '127.0.0.1', port: 0, routing, stable: {}, web })

  const { headers } = await fetch(edge.url)
  const expected = headersOfNginx()

  t.equal(Object.keys(expected).length, 5)
  for (const [name, value] of Object.entries(expected)) t.equal(headers.get(name), value, name)
})

t.test('on AWS pages come with the same policy, and every page is the one', async t => {
  const text = read('terraform/modules/edge/web.tf')
  const expected = headersOfNginx()
  const policy = expected['content-security-policy']
    ?.replace(pictureOrigins.join(' '), '${local.picture_origins}')
    .replace(uploadOrigins.join(' '), '${local.upload_origin}')
  const pages = read('terraform/modules/edge/pages.js')
  const pageOf = (uri: string): unknown =>
    runInNewContext(`${pages}; handler({ request: { uri: ${JSON.stringify(uri)} } }).uri`)

  t.ok(text.includes(`"${policy}"`))
  t.ok(text.includes(`"${expected['permissions-policy']}"`))
  t.match(text, /referrer_policy = "same-origin"/)
  t.same(['/', '/tools/figme', '/share'].map(pageOf), Array(3).fill('/index.html'))
  t.same(['/assets/a-1.js', '/icon.svg'].map(pageOf), ['/assets/a-1.js', '/icon.svg'])
})

t.test(
  'every answer of nginx but its health has the policy, and says how long it keeps',
  async t => {
    const [, ...locations] = read('docker/nginx/web.conf').split(/^ +location /m)
    const pages = locations.filter(text => !text.startsWith('= /health'))

    t.equal(pages.length, 3)
    for (const text of pages) {
      t.match(text, 'include /etc/nginx/conf.d/web-policy.conf;')
      t.match(text, /add_header Cache-Control .+ always;/)
    }
  },
)

t.test('the log of nginx names the page that was asked for, without its query', async t => {
  const text = read('docker/nginx/web.conf')
  const [, pattern = ''] = /map \$request_uri \$asked_path \{\s+"~(.+)" \$path;/.exec(text) ?? []

  t.match(text, '"path":"$asked_path"')
  t.equal(new RegExp(pattern).exec('/tools/figme?from=x?y')?.groups?.['path'], '/tools/figme')
})

t.test('in Compose the edge asks the web client for pages', async t => {
  const variables = readDotEnv(composeEnvironment(8080))
  const services = readCompose(join(root, 'docker-compose.yml'))
  const of = (name: string) => environmentOf(services[name] ?? {}, variables)

  t.equal(readSettings(of('simulators')).webAddress, 'http://web:8080')
  t.equal(of('web')['PICTURE_ORIGINS'], 'http://127.0.0.1:8081 http://127.0.0.1:8082')
  t.equal(of('web')['UPLOAD_ORIGINS'], 'http://127.0.0.1:8084')
  t.same(services['simulators']?.depends_on?.['web'], { condition: 'service_healthy' })
  const front = readCompose(join(root, 'docker/ec2/compose.yml'))['nginx']
  t.same(front?.depends_on?.['web'], { condition: 'service_healthy' })
  t.match(read('docker/nginx/nginx.conf'), /location \/ \{\s+set \$web_address web:8080;/)
})

t.test(
  'the image is built with the Node and the pnpm of the project, and ends without root',
  async t => {
    const dockerfile = read('docker/web.Dockerfile')
    const other = read('docker/service.Dockerfile')

    for (const argument of [/^ARG NODE_IMAGE=.+$/m, /^ARG PNPM_VERSION=.+$/m]) {
      t.ok(argument.exec(dockerfile)?.[0])
      t.equal(argument.exec(dockerfile)?.[0], argument.exec(other)?.[0])
    }
    t.equal([...dockerfile.matchAll(/^USER (\w+)$/gm)].at(-1)?.[1], 'nginx')
    t.match(dockerfile, /^HEALTHCHECK /m)
  },
)
