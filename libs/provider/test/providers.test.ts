import { newId } from '@funmagic/contract/ids'
import { createTestDatabase } from '@funmagic/database/testing'
import t from 'tap'
import { openCredentials } from '../src/credentials.ts'
import { findProvider, readApiKey, saveProvider } from '../src/providers.ts'

t.test(
  'a saved key is sealed at rest, opens for the worker, and is replaced by saving again',
  async t => {
    const { database } = await createTestDatabase(t)
    const credentials = await openCredentials('a secret key of this test')
    const provider = {
      id: newId(),
      name: 'fal',
      type: 'fal',
      apiKey: 'sk-1',
      baseUrl: null,
    } as const

    await saveProvider(database, credentials, provider)
    await saveProvider(database, credentials, { ...provider, apiKey: 'sk-2' })
    const found = await findProvider(database, provider.id)
    if (found === undefined) throw new Error('not saved')

    t.notMatch(found.sealedApiKey, /sk-/)
    t.equal(readApiKey(credentials, found), 'sk-2')
    t.equal(await findProvider(database, newId()), undefined)
  },
)
