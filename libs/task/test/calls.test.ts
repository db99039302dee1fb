import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { findOpenCall, recordOutcome, recordSubmitted, recordSubmitting } from '../src/calls.ts'
import { handBack } from '../src/lifecycle.ts'
import { claim, claimed, createTaskWorld, rowsOf } from './task-fixture.ts'

const { database } = await createTestDatabase(t)
const world = await createTaskWorld(database)

async function begin(taskId: string, attempt = 1): Promise<string> {
  const call = { stepId: 'only', provider: 'replicate', providerId: newId(), model: 'm' } as const
  const callId = await recordSubmitting(database, { taskId, attempt, ...call })
  if (callId === undefined) throw new Error('the claim is over')
  return callId
}

const openCall = (taskId: string) => findOpenCall(database, { taskId, stepId: 'only' })

t.test('a call is on record before the provider has it, without an id', async t => {
  const task = await claimed(world)

  const callId = await begin(task.id)

  t.match(await openCall(task.id), {
    id: callId,
    state: 'submitting',
    attempt: 1,
    provider: 'replicate',
    providerRequestId: null,
  })
})

t.test('a new attempt finds the call of the one before and re-attaches (T8)', async t => {
  const task = await claimed(world)
  const callId = await begin(task.id)
  const handle = { pollUrl: 'https://api.example/p/1' }
  await recordSubmitted(database, { callId, providerRequestId: 'p-1', handle })
  await handBack(database, { taskId: task.id, attempt: 1, delayMs: 0, counts: 'nothing' })
  await claim(database, task.id)

  const call = await openCall(task.id)

  t.match(call, { id: callId, state: 'submitted', providerRequestId: 'p-1', handle, attempt: 1 })
})

t.test('a claim that is over may not submit', async t => {
  const task = await claimed(world)
  await handBack(database, { taskId: task.id, attempt: 1, delayMs: 0, counts: 'nothing' })

  await t.rejects(begin(task.id), /the claim is over/)

  t.equal(await openCall(task.id), undefined)
})

t.test('one attempt has one call per step', async t => {
  const task = await claimed(world)
  await begin(task.id)

  await t.rejects(begin(task.id), { code: '23505' })
})

t.test('a closed call is not open any more, and the next attempt may begin another', async t => {
  const task = await claimed(world)
  const callId = await begin(task.id)
  await recordOutcome(database, { callId, state: 'failed', errorKind: 'throttled' })
  t.equal(await openCall(task.id), undefined)
  await handBack(database, { taskId: task.id, attempt: 1, delayMs: 0, counts: 'retry' })
  await claim(database, task.id)

  const second = await begin(task.id, 2)

  t.match(await openCall(task.id), { id: second, attempt: 2 })
})

t.test('an outcome is final: nothing that comes late changes it', async t => {
  const task = await claimed(world)
  const callId = await begin(task.id)
  await recordOutcome(database, { callId, state: 'succeeded' })

  await recordSubmitted(database, { callId, providerRequestId: 'late' })
  await recordOutcome(database, { callId, state: 'failed', errorKind: 'late' })

  const rows = await rowsOf(database, sql`SELECT * FROM provider_calls WHERE id = ${callId}`)
  t.match(rows, [{ state: 'succeeded', provider_request_id: null, error_kind: null }])
})
