import { sql } from '@funmagic/database/sql'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import t from 'tap'
import { createEvents } from '../src/events.ts'
import { expireSessions } from '../src/jobs/expire-sessions.ts'
import { signUpSomebody, startAuthApp } from './auth-app.ts'

const { app, database, sessions } = await startAuthApp(t)

t.test('sessions that have ended are cleared away and counted', async t => {
  const { user } = await signUpSomebody(app)
  await signUpSomebody(app)
  const metrics = createMetrics('auth')
  const events = createEvents(metrics, createLogger('auth', 'silent'))
  await database.query(sql`
    UPDATE sessions SET expires_at = now() - interval '1 second' WHERE user_id = ${user.id}::uuid
  `)

  await expireSessions({ sessions, events })

  const { rows } = await database.query(sql`SELECT count(*)::int AS sessions FROM sessions`)
  t.same(rows, [{ sessions: 1 }])
  t.match(await metrics.registry.metrics(), /auth_sessions_expired_total\{service="auth"\} 1/)
})

t.test('a failure is reported and thrown at nobody', async t => {
  const failures: unknown[] = []
  const metrics = createMetrics('auth')
  const events = {
    ...createEvents(metrics, createLogger('auth', 'silent')),
    expiryFailed: (error: unknown) => void failures.push(error),
  }
  const broken = { ...sessions, deleteExpired: () => Promise.reject(new Error('away')) }

  await t.resolves(expireSessions({ sessions: broken, events }))

  t.equal(failures.length, 1)
})
