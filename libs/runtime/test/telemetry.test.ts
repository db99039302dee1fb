import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const telemetry = join(import.meta.dirname, '../src/telemetry.ts')
const program = join(import.meta.dirname, 'traced-process.ts')

async function run(environment: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', telemetry, program], {
    env: environment,
    timeout: 30_000,
  })
  return stdout
}

t.test(
  'with an exporter configured a request becomes a span, and its log lines carry it',
  async t => {
    const output = await run({ OTEL_TRACES_EXPORTER: 'console', OTEL_SERVICE_NAME: 'traced' })

    t.match(output, /kind: 1/, 'the span of the server')
    t.match(output, /"traceId":"[0-9a-f]{32}"/)
  },
)

t.test('without an exporter nothing is traced, and the program runs the same', async t => {
  const output = await run({})

  t.match(output, /inside a request/)
  t.notMatch(output, /traceId/)
})
