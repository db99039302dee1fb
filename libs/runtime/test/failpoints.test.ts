import t from 'tap'
import { armFailpoints, failpoint } from '../src/failpoints.ts'

t.test('a point that nobody named does nothing', async t => {
  armFailpoints(undefined)
  armFailpoints('')

  t.doesNotThrow(() => failpoint('worker.claimed'))
})

t.test('a named point acts as often as told, and others do not', async t => {
  armFailpoints('submit.recorded=throw*2;relay.added=throw')

  t.throws(() => failpoint('submit.recorded'), /failpoint submit.recorded/)
  t.throws(() => failpoint('submit.recorded'))
  t.doesNotThrow(() => failpoint('submit.recorded'))
  t.doesNotThrow(() => failpoint('submit.committed'))
  t.throws(() => failpoint('relay.added'))
})

t.test('what cannot be understood is refused, at the start', async t => {
  for (const list of ['claimed', 'worker.claimed', 'worker.claimed=explode', 'a.b=kill*x']) {
    t.throws(() => armFailpoints(list), /not a failpoint/, list)
  }
})
