// `npm run migrate`: applies the migrations to DATABASE_URL, else to the running local system.
import { applyMigrations } from '@funmagic/database/migrate'
import { localFolders } from './local/folders.ts'
import { runScript } from './local/refusal.ts'
import { findDatabase } from './local/running-database.ts'

await runScript(async () => {
  const { url, isLocal } = await findDatabase(process.env, localFolders(process.env).local)
  const applied = await applyMigrations(url)
  const where = isLocal ? 'the local system' : 'DATABASE_URL'
  if (applied.length === 0) console.log(`The database of ${where} is up to date.`)
  for (const name of applied) console.log(`applied ${name}`)
})
