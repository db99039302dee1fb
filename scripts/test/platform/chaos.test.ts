import t from 'tap'
import { runChaos } from '../../chaos/run.ts'
import { planFaults } from '../../chaos/schedule.ts'

// Many processes on few cores.
t.setTimeout(800_000)

t.test('a seed plans the same faults again, and all are over in time', async t => {
  const options = { seed: 7, seconds: 60, faultsPerMinute: 24 }
  const plan = planFaults(options)

  t.same(planFaults(options), plan)
  t.notSame(planFaults({ ...options, seed: 8 }), plan)
  t.equal(plan.length, 24)
  t.ok(plan.every(({ atMs, durationMs }) => atMs + durationMs <= 60_000))
})

t.test('processes killed, stores crashed and links cut: no snapshot breaks a rule', async t => {
  const lines: string[] = []
  const keep = (text: string) => void lines.push(text)
  const report = { tell: keep, warn: keep, print: keep }

  const result = await runChaos({
    seed: 12_410,
    seconds: 20,
    users: 3,
    faultsPerMinute: 18,
    settleSeconds: 400,
    report,
    signal: new AbortController().signal,
  })

  if (!result.isSound) t.comment(lines.join('\n'))
  t.same(result.violations, [])
  t.same(result.judgement.findings, [])
  t.same(result.left, {})
  t.ok(result.snapshots > 0)
  t.ok(result.judgement.tasks.completed > 0)
})
