import { Writable } from 'node:stream'
import t from 'tap'
import { createLogger, createTaskLogger } from '../src/logger.ts'

function setup() {
  const lines: string[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  return { logger: createLogger('thing', 'info', sink), lines }
}

t.test('a line carries its service, task and request', async t => {
  const { logger, lines } = setup()

  createTaskLogger(logger, 'task-1', 'request-1').info('started')

  t.match(JSON.parse(lines[0] ?? ''), {
    service: 'thing',
    taskId: 'task-1',
    requestId: 'request-1',
    msg: 'started',
  })
})

t.test('fields with the names of secrets never reach the log', async t => {
  const { logger, lines } = setup()

  const request = { headers: { cookie: 'canary', authorization: 'canary' } }
  logger.info(
    { password: 'canary', token: 'canary', config: { apiKey: 'canary' }, ...request },
    'x',
  )

  t.notMatch(lines.join(''), /canary/)
})
