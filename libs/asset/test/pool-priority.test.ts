import { readdir, readFile } from 'node:fs/promises'
import { constants, getPriority } from 'node:os'
import t from 'tap'
import { yieldPool } from '../src/pool-priority.ts'

const elsewhere = process.platform === 'linux' ? false : 'threads have no priority of their own'

t.test('what decodes pictures yields to what answers', { skip: elsewhere }, async t => {
  const main = getPriority()

  await yieldPool()
  await yieldPool()

  const priorities = new Map<string, Set<number>>()
  for (const thread of await readdir('/proc/self/task')) {
    const name = (await readFile(`/proc/self/task/${thread}/comm`, 'utf8')).trim()
    const ofName = priorities.get(name) ?? new Set()
    priorities.set(name, ofName.add(getPriority(Number(thread))))
  }
  t.same(
    priorities.get('libuv-worker'),
    new Set([Math.min(main + 10, constants.priority.PRIORITY_LOW)]),
  )
  t.equal(getPriority(), main)
})
