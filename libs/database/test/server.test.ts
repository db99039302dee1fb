import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import pg from 'pg'
import t from 'tap'
import { serverAt } from '../src/server.ts'

const host = 'funmagic.abc123.us-east-2.rds.amazonaws.com'

t.test(
  'a server at RDS is verified against the roots of Amazon, whatever the URL says',
  async t => {
    for (const query of [
      '',
      '?sslmode=disable',
      '?sslmode=require&uselibpqcompat=true',
      '?ssl=0',
    ]) {
      const { connectionString, ssl } = serverAt(`postgres://u:p@${host}:5432/funmagic${query}`)

      t.equal(connectionString, `postgres://u:p@${host}:5432/funmagic`)
      t.equal(ssl?.rejectUnauthorized, true)
      const subjects = ssl?.ca.map(pem => new X509Certificate(pem).subject) ?? []
      t.ok(subjects.some(subject => subject.includes('Amazon RDS us-east-2 Root CA RSA2048 G1')))
      t.ok(
        subjects.some(subject => subject.includes('Amazon Root CA 1')),
        'that of RDS Proxy too',
      )
    }
  },
)

t.test('the roots of RDS have years to live', async t => {
  const { ssl } = serverAt(`postgres://u:p@${host}/funmagic`)
  const inAYear = Date.now() + 365 * 86_400_000
  const roots = (ssl?.ca ?? []).map(pem => new X509Certificate(pem))
  const ours = roots.filter(({ subject }) => subject.includes('us-east-2 Root CA'))

  t.ok(ours.length >= 3)
  for (const root of ours) t.ok(Date.parse(root.validTo) > inAYear, `${root.subject} is valid`)
})

t.test('elsewhere the URL decides, and a name that only looks like RDS is elsewhere', async t => {
  const urls = [
    'postgres://u:p@127.0.0.1:5432/funmagic?sslmode=disable',
    'postgres://u:p@rds.amazonaws.com.evil.example/funmagic',
    'postgres://u:p@evilrds.amazonaws.com/funmagic',
    'postgresql:///funmagic?host=/var/run/postgresql',
  ]
  for (const url of urls) t.same(serverAt(url), { connectionString: url })
})

t.test('pg asks such a server for TLS before it says anything else', async t => {
  const server = createServer(socket => {
    socket.once('data', first => {
      // SSLRequest: length 8, code 80877103 (PostgreSQL, "Message Formats").
      t.equal(first.readInt32BE(4), 80_877_103)
      socket.end('N')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  const { port }: AddressInfo = address
  const { ssl } = serverAt(`postgres://u:p@${host}/funmagic`)
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'u', password: 'p', ssl })
  await t.rejects(client.connect(), { message: 'The server does not support SSL connections' })
})
