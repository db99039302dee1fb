import t from 'tap'
import { runChecks } from '../../doctor/check.ts'
import { checksOf } from '../../doctor/command.ts'
import { localInstallation } from '../../doctor/installation.ts'
import { startPlatform } from './platform.ts'

// Many processes on few cores.
t.setTimeout(300_000)

t.test('doctor finds nothing wrong with the system that npm start runs', async t => {
  // With the project's own store, whatever the test run has: it refuses strangers as S3 does.
  const { addresses } = await startPlatform(t, { S3_ENDPOINT: '' })
  const outcomes = await runChecks(await checksOf(localInstallation(addresses), {}), 20_000)
  const failed = outcomes.filter(({ status }) => status === 'failed')
  const skipped = outcomes.filter(({ status }) => status === 'skipped').map(({ name }) => name)

  t.same(failed, [])
  t.ok(outcomes.length - skipped.length >= 17, 'what can be looked at here was looked at')
  for (const name of skipped)
    t.match(name, /^(dns|tls|http to https) |^security headers of|the CDN$/)
})
