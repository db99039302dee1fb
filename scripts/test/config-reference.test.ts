import t, { type Test } from 'tap'
import { configReference } from '../config-reference.ts'

const port = `{ type: 'integer', env: 'PORT', description: 'Port to listen on' }`
const level = `{ type: 'string', env: 'LOG_LEVEL', default: 'info', description: 'Least level' }`
const key = `{ type: 'string', env: 'KEY', secret: true, default: '', description: 'Signs' }`
const marks = '<!-- config:start -->\nold\n<!-- config:end -->'

function service(settings: readonly string[], readme = `# One\n\n${marks}\n\n## More\n`) {
  const properties = settings.map((setting, index) => `a${index}: ${setting}`).join(', ')
  const config = `export const AnyConfig = { type: 'object', properties: { ${properties} } }\n`
  return { src: { 'config.ts': config }, 'README.md': readme }
}

async function reference(t: Test, services: Record<string, ReturnType<typeof service>>) {
  const files = await configReference(t.testdir({ services: { ...services } }))
  return Object.fromEntries(files.map(({ path, text }) => [path, text]))
}

t.test('the table of a service replaces what stood between the marks and nothing else', async t => {
  const files = await reference(t, { one: service([port, level, key]) })

  const readme = files['services/one/README.md'] ?? ''
  const rows = readme.split('\n').filter(line => line.startsWith('| `'))
  t.match(readme, /^# One\n\n<!-- config:start -->\n\n\|/)
  t.match(readme, /\|\n\n<!-- config:end -->\n\n## More\n$/)
  t.notMatch(readme, 'old')
  t.strictSame(
    rows.map(row => row.replace(/ +/g, ' ')),
    [
      '| `PORT` | integer | required | Port to listen on |',
      '| `LOG_LEVEL` | string | `info` | Least level |',
      '| `KEY` | string | | Signs (secret) |',
    ],
  )
})

t.test('the example lists a variable once and names the services that read it', async t => {
  const files = await reference(t, { one: service([port, key]), two: service([port]) })

  const example = files['.env.example'] ?? ''
  t.equal(example.match(/PORT=/g)?.length, 1)
  t.match(example, '# Port to listen on. every service\nPORT=\n')
  t.match(example, '# Signs (secret). one\n#KEY=\n')
})

t.test('a variable with two defaults is listed once for each', async t => {
  const other = level.replace('info', 'debug')

  const files = await reference(t, { one: service([level]), two: service([other]) })

  t.match(files['.env.example'], '# Least level. one\n#LOG_LEVEL=info\n')
  t.match(files['.env.example'], '# Least level. two\n#LOG_LEVEL=debug\n')
})

t.test('a variable of two types is refused by name', async t => {
  const other = port.replace('integer', 'string')

  await t.rejects(reference(t, { one: service([port]), two: service([other]) }), /PORT is of types/)
})

t.test('a README without the marks is refused by name', async t => {
  await t.rejects(reference(t, { one: service([port], '# One\n') }), /services\/one\/README\.md/)
})
