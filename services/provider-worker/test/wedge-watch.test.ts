import t from 'tap'
import { WedgeWatch } from '../src/wedge-watch.ts'

/** A worker whose last fetch lies back as far as the clock has gone since, and its queue. */
function setup() {
  const state = { nowMs: 0, fetchedAtMs: 0, isAway: false }
  const watched = {
    lastFetchAgeSeconds: () => (state.nowMs - state.fetchedAtMs) / 1000,
    ping: async () => {
      if (state.isAway) throw new Error('no answer')
    },
  }
  const watch = new WedgeWatch(watched, 60_000, () => state.nowMs)
  const lookAt = (nowMs: number) => {
    state.nowMs = nowMs
    return watch.look()
  }
  return { state, lookAt }
}

t.test('a worker that stops asking while its queue answers is found wedged (Q-5)', async t => {
  const { lookAt } = setup()

  t.equal(await lookAt(0), undefined)
  t.equal(await lookAt(60_000), undefined)
  t.match(await lookAt(60_001), { message: /has not asked for work for 60001 ms/ })
})

t.test('a worker that asks is not, however long it lives', async t => {
  const { state, lookAt } = setup()

  for (let nowMs = 0; nowMs < 600_000; nowMs += 5_000) {
    state.fetchedAtMs = nowMs
    t.equal(await lookAt(nowMs), undefined)
  }
})

t.test('while the queue is away nobody is wedged, and its return starts the time anew', async t => {
  const { state, lookAt } = setup()
  await lookAt(0)
  state.isAway = true

  t.equal(await lookAt(120_000), undefined)
  state.isAway = false
  t.equal(await lookAt(125_000), undefined)
  t.equal(await lookAt(185_000), undefined)
  t.ok(await lookAt(185_001))
})
