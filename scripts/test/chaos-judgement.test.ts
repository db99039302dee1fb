import t from 'tap'
import { findCallFaults, type CallRow } from '../chaos/call-judgement.ts'
import { FaultLog } from '../chaos/fault-log.ts'
import type { ProviderCall } from '../chaos/lab.ts'

// The judge of `npm run chaos` is judged here: what it would let through, nobody would notice.

const second = 1_000

function callOf(id: string, times: { openedAt: number; closedAt: number }): ProviderCall {
  return { provider: 'fal', isAccepted: true, id: `at-fal-${id}`, clientReference: id, ...times }
}

function rowOf(id: string, changes: Partial<CallRow> = {}): CallRow {
  const times = { startedAt: 0, closedAt: second }
  const ended = { state: 'succeeded', errorKind: null, ...times }
  return {
    id,
    taskId: `task-of-${id}`,
    provider: 'fal',
    providerRequestId: null,
    ...ended,
    ...changes,
  }
}

const limits = new Map([['fal', 2]])
const together = { openedAt: 0, closedAt: 10 * second }

t.test('one call for each line, and no more at once than allowed, is no finding', t => {
  const calls = ['a', 'b'].map(id => callOf(id, together))
  const rows = ['a', 'b'].map(id => rowOf(id))

  t.same(findCallFaults({ calls, rows, limits, faults: new FaultLog() }), [])
  t.end()
})

t.test('a call that is made twice is found (T6)', t => {
  const calls = [callOf('a', together), callOf('a', together)]

  const found = findCallFaults({ calls, rows: [rowOf('a')], limits, faults: new FaultLog() })

  t.same(found, ['call a was made 2 times'])
  t.end()
})

t.test('a call that nobody wrote down is found (T6)', t => {
  const calls = [callOf('a', together), callOf('stranger', together)]

  const found = findCallFaults({ calls, rows: [rowOf('a')], limits, faults: new FaultLog() })

  t.same(found, ['fal took on 1 calls too many, 0 were written down for them'])
  t.end()
})

t.test('a task that is submitted again without a failure, or a cause, is found (T6)', t => {
  const twice = ['a', 'b'].map(id => rowOf(id, { taskId: 'task' }))
  const lost = { taskId: 'task', state: 'failed', errorKind: 'unknown' }
  const often = ['a', 'b', 'c'].map(id => rowOf(id, lost))
  const faults = new FaultLog()
  const evidence = { calls: [], limits, faults }

  t.match(findCallFaults({ ...evidence, rows: twice }), [/submitted 2 times, and 0 of them failed/])
  t.match(findCallFaults({ ...evidence, rows: often }), [/3 without a known end; 1 had a cause/])
  for (const name of ['kill provider-worker', 'crash postgres']) faults.begin(name)
  t.same(findCallFaults({ ...evidence, rows: often }), [])
  t.end()
})

t.test('more calls at once than allowed are found, but for what nobody could see (T12)', t => {
  const ids = ['a', 'b', 'c']
  const calls = ids.map(id => callOf(id, together))
  const rows = ids.map(id => rowOf(id))
  const faults = new FaultLog()

  const found = findCallFaults({ calls, rows, limits, faults })
  t.match(found[0], /fal had 3 calls open at once, 0 unseen; 2 are allowed/)

  const unanswered = [rowOf('a', { state: 'failed', errorKind: 'timed_out' }), ...rows.slice(1)]
  t.same(findCallFaults({ calls, rows: unanswered, limits, faults }), [])
  t.end()
})

t.test('calls that began when Redis had just lost its memory are not counted (T12)', t => {
  const faults = new FaultLog()
  const loss = faults.begin('flush redisQueue')
  loss.endedAt = loss.startedAt
  const at = performance.timeOrigin + loss.startedAt + second
  const ids = ['a', 'b', 'c']
  const calls = ids.map(id => callOf(id, { openedAt: at, closedAt: at + second }))

  t.same(findCallFaults({ calls, rows: ids.map(id => rowOf(id)), limits, faults }), [])
  t.end()
})
