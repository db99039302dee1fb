import { Ajv } from 'ajv'
import t from 'tap'
import Type from 'typebox'
import { Id } from '@funmagic/contract/ids'
import { fieldOf, toFault } from '../src/validation-faults.ts'

const schema = Type.Object(
  {
    id: Id,
    kind: Type.Enum(['cat', 'dog']),
    amount: Type.Integer({ maximum: 9, not: { const: 0 } }),
    parts: Type.Array(Type.Object({ name: Type.String() }, { additionalProperties: false })),
  },
  { additionalProperties: false },
)
const right = { id: '0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10', kind: 'cat', amount: 1, parts: [] }
const ajv = new Ajv({ strict: false })

function faultOf(body: object) {
  const validate = ajv.compile(schema)
  validate(body)
  const [first] = validate.errors ?? []
  if (first === undefined) throw new Error('the body is right')
  return toFault({ ...first, message: first.message ?? '' })
}

t.test('each kind of fault is told in plain words, at its very place', async t => {
  const { kind: _kind, ...incomplete } = right

  t.same(faultOf({ ...right, x: 1 }), {
    pointer: '/x',
    message: 'There is no such property here.',
  })
  t.same(faultOf({ ...right, parts: [{ name: 'a', 'b/~': 1 }] }), {
    pointer: '/parts/0/b~1~0',
    message: 'There is no such property here.',
  })
  t.same(faultOf(incomplete), { pointer: '/kind', message: 'This is missing.' })
  t.same(faultOf({ ...right, kind: 'cow' }), {
    pointer: '/kind',
    message: 'Choose of cat, dog.',
  })
  t.same(faultOf({ ...right, id: 'x' }), { pointer: '/id', message: 'This is no id.' })
  t.same(faultOf({ ...right, amount: 0 }), {
    pointer: '/amount',
    message: 'This value is not allowed.',
  })
  t.same(faultOf({ ...right, amount: 10 }), { pointer: '/amount', message: 'must be <= 9' })
})

t.test('a place is also told as people write it', async t => {
  const message = ''

  t.equal(fieldOf({ pointer: '/input/seed', message }), 'input.seed')
  t.equal(fieldOf({ pointer: '/parts/0/b~1~0', message }), 'parts.0.b/~')
  t.equal(fieldOf({ pointer: '', message }), '')
})
