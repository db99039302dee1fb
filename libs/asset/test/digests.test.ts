import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { sha256Of } from '../src/digests.ts'

const megabyte = 1024 * 1024

t.test('the digest is SHA-256, whatever the number of bytes', async t => {
  for (const size of [0, 1, megabyte - 1, megabyte, megabyte + 1, 3 * megabyte + 7]) {
    const bytes = randomBytes(size)

    const digest = await sha256Of(bytes)

    t.equal(digest, createHash('sha256').update(bytes).digest('hex'), `${size} bytes`)
  }
})

t.test('others get a turn for each megabyte of a large picture', async t => {
  let turns = 0
  let isOver = false
  const takeTurn = () => {
    turns++
    if (!isOver) setImmediate(takeTurn)
  }
  setImmediate(takeTurn)

  await sha256Of(new Uint8Array(8 * megabyte))
  isOver = true

  t.ok(turns >= 7, `${turns} turns`)
})
