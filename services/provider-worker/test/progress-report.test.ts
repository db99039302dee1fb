import t, { type Test } from 'tap'
import { ProgressReport, type Progress } from '../src/progress-report.ts'

function setup(t: Test, options: { startPercent?: number; intervalMs?: number } = {}) {
  const told: Progress[] = []
  const errors: unknown[] = []
  const report = new ProgressReport({
    startPercent: options.startPercent ?? 0,
    intervalMs: options.intervalMs ?? 5,
    publish: async progress => {
      if (progress.message === 'broken') throw new Error('not told')
      told.push(progress)
    },
    onError: error => errors.push(error),
  })
  t.teardown(() => report[Symbol.asyncDispose]())
  return { told, errors, report }
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`still not so: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

t.test('the first update is told at once, and of a burst only the last besides', async t => {
  const { told, report } = setup(t, { intervalMs: 20 })

  for (const tenths of [1, 2, 3, 4, 5]) report.update({ fraction: tenths / 10, message: 'on' })
  await until(() => told.length === 2)

  t.match(told, [{ percent: 14 }, { percent: 48 }])
})

t.test('an update that says nothing new is not told, and the next one is', async t => {
  const { told, report } = setup(t, { startPercent: 10 })

  report.update({ fraction: 0, message: '' })
  report.update({ fraction: 0.5, message: 'on' })
  report.update({ fraction: 0.5, message: 'on' })
  report.update({ fraction: 0.4, message: 'on' })
  await until(() => told.length === 1)
  report.update({ fraction: 0.6, message: 'on' })
  await until(() => told.length === 2)

  t.match(told, [{ percent: 48 }, { percent: 56 }])
})

t.test('what is told never falls, neither below the start nor below what was told', async t => {
  const { told, report } = setup(t, { startPercent: 60 })

  report.update({ fraction: 0.1, message: 'again' })
  await until(() => told.length === 1)
  report.update({ fraction: 0.9, message: 'on' })
  await until(() => told.length === 2)
  report.update({ fraction: 0.2, message: 'back' })
  await until(() => told.length === 3)

  t.strictSame(
    told.map(({ percent }) => percent),
    [60, 82, 82],
  )
})

t.test('after its end nothing is told, whatever comes', async t => {
  const { told, report } = setup(t)

  await report[Symbol.asyncDispose]()
  report.update({ fraction: 0.5, message: 'late' })

  t.strictSame(told, [])
})

t.test('a telling that fails is handed on, and the next one is told', async t => {
  const { told, errors, report } = setup(t)

  report.update({ fraction: 0.1, message: 'broken' })
  await until(() => errors.length === 1)
  report.update({ fraction: 0.2, message: 'on' })
  await until(() => told.length === 1)

  t.match(errors, [{ message: 'not told' }])
})
