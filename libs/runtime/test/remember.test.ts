import t from 'tap'
import { remember } from '../src/remember.ts'

function setup() {
  let nowMs = 0
  const asked: string[] = []
  const failing = new Set<string>()
  const read = async (key: string) => {
    asked.push(key)
    if (failing.has(key)) throw new Error(`${key} is away`)
    return `${key}${asked.length}`
  }
  const recall = remember(read, { lifeMs: 1_000, now: () => nowMs })
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { recall, asked, failing, pass }
}

t.test('each key is read once while its answer lives, however many ask', async t => {
  const { recall, asked, pass } = setup()

  t.same(await Promise.all([recall('a'), recall('a'), recall('b')]), ['a1', 'a1', 'b2'])
  pass(999)
  t.equal(await recall('a'), 'a1')
  pass(1)
  t.equal(await recall('a'), 'a3')

  t.same(asked, ['a', 'b', 'a'])
})

t.test('a failure is told to all who asked, and the next one reads again', async t => {
  const { recall, failing } = setup()
  failing.add('a')

  const outcomes = await Promise.allSettled([recall('a'), recall('a')])
  failing.clear()

  t.match(outcomes, [{ status: 'rejected' }, { status: 'rejected' }])
  t.equal(await recall('a'), 'a2')
})

t.test('it does not grow without end', async t => {
  const { recall, asked } = setup()

  for (let key = 0; key <= 1_000; key++) await recall(String(key))
  await recall('0')

  t.equal(asked.filter(key => key === '0').length, 2)
})
