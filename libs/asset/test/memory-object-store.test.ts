import t from 'tap'
import { openMemoryObjectStore } from '../src/testing.ts'
import { checkObjectStore } from './object-store-conformance.ts'

t.test('the store of tests keeps the rules of an object store', async t => {
  const store = openMemoryObjectStore()

  await checkObjectStore(t, {
    store,
    send: (request, bytes) => store.send(request, bytes),
    fetch: url => store.fetch(url),
  })
})
