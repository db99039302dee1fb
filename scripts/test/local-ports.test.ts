import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { readPorts, requireFreePorts } from '../local/ports.ts'

t.test('without variables the edge is on 8080 and the worker on 9090', async t => {
  const ports = readPorts({})

  t.match(ports, { edge: 8080, postgres: 8085, auth: 8091, providerWorker: 9090 })
})

t.test('one variable moves all ports, another one moves its own', async t => {
  const ports = readPorts({ FUNMAGIC_PORT_BASE: '20000', FUNMAGIC_PORT_TASK_GATEWAY: '5000' })

  t.match(ports, { edge: 20_000, taskGateway: 5000, providerWorker: 21_010 })
})

t.test('a port that is none, too high or there twice is refused', async t => {
  t.throws(() => readPorts({ FUNMAGIC_PORT_EDGE: 'abc' }), /FUNMAGIC_PORT_EDGE is "abc"/)
  t.throws(() => readPorts({ FUNMAGIC_PORT_BASE: '65000' }), /too high/)
  t.throws(() => readPorts({ FUNMAGIC_PORT_EDGE: '8081' }), /Two ports are both 8081/)
})

t.test('a taken port is reported with its holder and another choice', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const ports = { ...readPorts({}), edge: port }

  const refusal = requireFreePorts(ports, ['edge'])

  await t.rejects(refusal, {
    message: new RegExp(`${port} \\(edge\\) is held by .*${process.pid}`),
  })
  await t.rejects(refusal, { message: /FUNMAGIC_PORT_EDGE=/ })
})
