// Writes what is generated from the configuration schemas: the tables in services/*/README.md and
// .env.example. With --check it writes nothing and fails when one of them is stale.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configReference, readText } from './config-reference.ts'

const root = join(import.meta.dirname, '..')
const isCheck = process.argv.includes('--check')

const files = await configReference(root)
const stale = files.filter(({ path, text }) => readText(join(root, path)) !== text)
for (const { path, text } of stale) {
  if (isCheck) console.log(`${path} is stale: run \`npm run generate\` and commit it`)
  else writeFileSync(join(root, path), text)
}
if (!isCheck) console.log(`${stale.length} of ${files.length} generated files changed`)
process.exitCode = isCheck && stale.length > 0 ? 1 : 0
