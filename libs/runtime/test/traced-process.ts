// Run as a process of its own by telemetry.test.ts, with telemetry loaded before it.
import { createServer, get } from 'node:http'
import { createLogger } from '../src/logger.ts'

const logger = createLogger('traced', 'info')
const server = createServer((_request, reply) => {
  logger.info('inside a request')
  reply.end('ok')
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  get({ host: '127.0.0.1', port, agent: false }, response => {
    response.resume()
    response.once('end', () => server.close())
  })
})
