import fc from 'fast-check'
import t from 'tap'
import { parseEvent, readEvents, type StreamEvent } from '../src/api/event-stream.ts'
import { reply, startPlatform } from './fake-platform.ts'

t.test('an event is its id and its data; a block without data is none', async t => {
  const event = parseEvent('id: 7-1\nevent: progress\ndata: {"a":\ndata: 1}')

  t.same(event, { id: '7-1', data: { a: 1 } })
  t.equal(parseEvent('retry: 1000'), undefined)
  t.equal(parseEvent(': a comment'), undefined)
})

t.test('wherever the network cuts a stream, its events are the same', async t => {
  const events = [{ message: 'Größer — 大きい' }, { message: 'a\\nb' }, { progress: 100 }]
  const frames = events.map((data, n) => `id: 1-${n + 1}\ndata: ${JSON.stringify(data)}\n\n`)
  const bytes = Buffer.from(`retry: 1000\n\n${frames.join('')}`)
  let cuts: number[] = []
  await startPlatform(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const ends = [...cuts, bytes.length]
    for (const [n, end] of ends.entries()) response.write(bytes.subarray(ends[n - 1] ?? 0, end))
    response.end()
  })
  const place = fc.array(fc.nat({ max: bytes.length }), { maxLength: 6 })
  const property = fc.asyncProperty(place, async places => {
    cuts = places.toSorted((one, other) => one - other)
    const read: StreamEvent[] = []
    const signal = new AbortController().signal
    for await (const event of readEvents('/s', { lastEventId: '1-0', signal })) read.push(event)
    t.same(
      read,
      events.map((data, n) => ({ id: `1-${n + 1}`, data })),
    )
  })

  await fc.assert(property, { numRuns: 100 })
})

t.test('a stream that is refused is a problem, and the last place is asked for', async t => {
  const error = { code: 'TOO_MANY_STREAMS', message: 'Too many.', details: null }
  const requests = await startPlatform(t, (_request, response) => reply(response, 429, { error }))

  const events = readEvents('/s', { lastEventId: '9-3', signal: new AbortController().signal })

  await t.rejects(events.next(), { code: 'TOO_MANY_STREAMS' })
  t.equal(requests[0]?.headers['last-event-id'], '9-3')
})
