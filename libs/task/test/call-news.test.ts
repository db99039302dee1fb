import { newId } from '@funmagic/contract/ids'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { CallNews, publishNews } from '../src/call-news.ts'

async function setup(t: Test) {
  const url = process.env['REDIS_CACHE_URL'] ?? ''
  const redis = new Redis(url)
  const listening = new Redis(url)
  t.teardown(() => {
    redis.disconnect()
    listening.disconnect()
  })
  const news = new CallNews(listening, () => undefined)
  return { redis, news }
}

const longMs = 600_000
const never = new AbortController().signal

t.test('news of a call ends the wait for it, and no other', async t => {
  const { redis, news } = await setup(t)
  const id = `pred-${newId()}`
  const ended: string[] = []
  const stop = new AbortController()
  const other = news.wait(`pred-${newId()}`, longMs, stop.signal)

  const wait = news.wait(id, longMs, never).then(() => ended.push(id))
  // Published until it is heard: the subscription may come after the first.
  while (ended.length === 0) await publishNews(redis, id)
  await wait
  stop.abort(new Error('enough'))

  t.strictSame(ended, [id])
  await t.rejects(other, { message: 'enough' })
})

t.test('without news the wait ends by itself', async t => {
  const { news } = await setup(t)

  await t.resolves(news.wait('pred-1', 1, never))
})

t.test('an abort ends the wait with its reason', async t => {
  const { news } = await setup(t)

  await t.rejects(news.wait('pred-1', longMs, AbortSignal.abort(new Error('stopping'))), {
    message: 'stopping',
  })
})
