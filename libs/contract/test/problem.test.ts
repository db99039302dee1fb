import t from 'tap'
import { AppError, problemKinds, problems } from '../src/problem.ts'

t.test('every code is UPPER_SNAKE, has a sentence, and is no success', async t => {
  for (const [code, kind] of Object.entries(problemKinds)) {
    t.match(code, /^[A-Z]+(_[A-Z]+)*$/)
    t.match(kind.message, /^[A-Z].*\.$/, code)
    t.ok(kind.status >= 400 && kind.status < 600, code)
  }
})

t.test('the code alone decides the status, and the cause is kept', async t => {
  const cause = new Error('below')
  const error = new AppError('NOT_FOUND', { cause, details: { field: 'taskId' } })

  t.equal(error.status, 404)
  t.equal(error.cause, cause)
  t.equal(error.message, problemKinds.NOT_FOUND.message)
})

t.test('response schemas name the codes of each status', async t => {
  const schemas = problems('NOT_FOUND', 'CONFLICT', 'TASK_FINISHED')

  t.same(Object.keys(schemas), ['404', '409'])
  t.match(schemas[409], { description: 'CONFLICT, TASK_FINISHED' })
})
