// Run as a process of its own by lifecycle.test.ts.
import { createServer } from 'node:http'
import Type from 'typebox'
import { loadConfig, setting } from '../src/config.ts'
import { run } from '../src/lifecycle.ts'

const Config = Type.Object({
  port: setting(Type.Integer({ description: 'Where to listen' }), { env: 'PORT' }),
  name: setting(Type.String({ description: 'What it is called' }), { env: 'NAME' }),
})

await run('stopping', async (environment, lifecycle) => {
  const config = loadConfig(Config, environment)
  const server = createServer((_request, reply) => reply.end('ok'))
  for (const name of ['first', 'second']) {
    lifecycle.onStop(name, async () => {
      process.stdout.write(`closed ${name}\n`)
      if (config.name === 'late' && name === 'second') lifecycle.onStop('late', closeLate)
      if (config.name === 'stuck') await new Promise(() => undefined)
    })
  }
  server.listen(config.port, '127.0.0.1', () => process.stdout.write('ready\n'))
})

async function closeLate(): Promise<void> {
  process.stdout.write('closed late\n')
}
