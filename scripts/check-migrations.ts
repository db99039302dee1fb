// Holds the migrations against the rules of docs/migrations.md, by which two releases can share
// one schema: `node scripts/check-migrations.ts [folder]`.
import { join } from 'node:path'
import { checkMigrations } from './migrations/check.ts'

const own = join(import.meta.dirname, '../libs/database/prisma/migrations')
const { checked, findings } = await checkMigrations(process.argv[2] ?? own)
for (const { migration, rule, message } of findings)
  console.log(`${migration}: ${rule}: ${message}`)
console.log(`${checked} migrations checked, ${findings.length} to fix`)
process.exitCode = findings.length > 0 ? 1 : 0
