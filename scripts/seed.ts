// Plants the seeds in DATABASE_URL, else in the running local system: `node scripts/seed.ts`.
// For a database outside it takes SECRET_KEY and the providers' keys from the environment, makes
// no demo accounts, and leaves out tools whose provider has no key; docker-compose.yml names
// accounts (DEMO_ACCOUNTS) and simulators (SIMULATORS_URL). `--replace` puts tools and packages
// back to what the seeds say.
import { parseArgs } from 'node:util'
import { localFolders } from './local/folders.ts'
import { Refusal, runScript } from './local/refusal.ts'
import { findDatabase } from './local/running-database.ts'
import { loadSecrets, type Secrets } from './local/secrets.ts'
import { readProviderKeys } from './local/settings.ts'
import { findStackFile } from './local/stack-file.ts'
import { plantSeeds } from './seeds/plant.ts'

await runScript(async () => {
  const { values } = parseArgs({ options: { replace: { type: 'boolean', default: false } } })
  const localFolder = localFolders(process.env).local
  const { url, isLocal } = await findDatabase(process.env, localFolder)
  await plantSeeds({
    databaseUrl: url,
    providerKeys: readProviderKeys(process.env),
    isReplacing: values.replace,
    ...(isLocal ? await readLocal(localFolder) : readOutside()),
  })
  console.log('The seeds are planted.')
})

async function readLocal(localFolder: string) {
  const { secretKey, accounts } = await loadSecrets(localFolder)
  const stack = await findStackFile(localFolder)
  return { secretKey, accounts, simulatorsUrl: stack?.providers }
}

function readOutside() {
  const secretKey = process.env['SECRET_KEY']
  if (secretKey === undefined || secretKey.length < 32) {
    throw new Refusal('Set SECRET_KEY (32 characters or more): it seals the keys of the providers.')
  }
  return {
    secretKey,
    accounts: readDemoAccounts(process.env['DEMO_ACCOUNTS']),
    simulatorsUrl: process.env['SIMULATORS_URL'] || undefined,
  }
}

function readDemoAccounts(text: string | undefined): Secrets['accounts'] | undefined {
  if (text === undefined || text === '') return undefined
  // Written by scripts/compose-env.ts from newSecrets.
  return JSON.parse(text) as Secrets['accounts']
}
