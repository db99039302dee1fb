// `node scripts/compose-env.ts [--port-base 8080]`: makes new secrets for docker-compose.yml and
// writes them, with the addresses that go with them, to .env. Needs no installation.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { composeEnvironment } from './compose/environment.ts'
import { Refusal, runScript } from './local/refusal.ts'

await runScript(async () => {
  const { values } = parseArgs({ options: { 'port-base': { type: 'string', default: '8080' } } })
  const text = composeEnvironment(Number(values['port-base']))
  const file = join(import.meta.dirname, '../.env')
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    throw new Refusal(
      'There is a .env already, and the volumes know its passwords.\n' +
        'To begin anew: docker compose down --volumes, delete .env, and run this again.',
      { cause: error },
    )
  }
  console.log('Wrote .env. The demo accounts are in it; next: docker compose up --build --wait')
})
