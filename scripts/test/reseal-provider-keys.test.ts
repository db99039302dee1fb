import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { newId } from '@funmagic/contract/ids'
import { createTestDatabase } from '@funmagic/database/testing'
import { openCredentials } from '@funmagic/provider/credentials'
import { findProvider, readApiKey, saveProvider } from '@funmagic/provider/providers'
import t from 'tap'

const script = fileURLToPath(new URL('../reseal-provider-keys.ts', import.meta.url))
const [before, after] = ['the secret key before this one', 'the secret key after that one']

/** Its exit code and what it says, as an operator sees it. */
async function reseal(environment: Record<string, string>) {
  const env = { PATH: process.env['PATH'], ...environment }
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script], { env })
    return { code: 0, stdout }
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string }
    return { code, stdout }
  }
}

t.test('the script seals the keys anew, says so, and can be repeated', async t => {
  const { database, url } = await createTestDatabase(t)
  const id = newId()
  const fal = { id, name: 'fal', type: 'fal', apiKey: 'sk-canary', baseUrl: null } as const
  await saveProvider(database, await openCredentials(before), fal)
  const rotation = { DATABASE_URL: url, SECRET_KEY: after, SECRET_KEY_PREVIOUS: before }

  const wrong = await reseal({ DATABASE_URL: url, SECRET_KEY: after })
  const first = await reseal(rotation)
  const second = await reseal(rotation)

  t.equal(wrong.code, 1)
  t.match(wrong.stdout, /0 resealed, 0 current, 1 unreadable\nunreadable: providers\/fal/)
  t.match(first, { code: 0, stdout: /1 resealed, 0 current, 0 unreadable/ })
  t.match(second, { code: 0, stdout: /0 resealed, 1 current, 0 unreadable/ })
  for (const { stdout } of [wrong, first, second]) t.notMatch(stdout, /canary/)
  const provider = await findProvider(database, id)
  t.equal(provider && readApiKey(await openCredentials(after), provider), 'sk-canary')
  t.equal((await reseal({})).code, 1, 'without its settings it does nothing')
})
