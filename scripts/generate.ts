// Writes what is generated: from the configuration schemas the tables in services/*/README.md and
// .env.example, from services/routing.json the routes of nginx. With --check it writes nothing and
// fails when one of them is stale.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadRouting } from '@funmagic/simulators/routing'
import { nginxRoutes } from './compose/nginx-routes.ts'
import { configReference, readText } from './config-reference.ts'

const root = join(import.meta.dirname, '..')
const isCheck = process.argv.includes('--check')

const files = [
  ...(await configReference(root)),
  { path: 'docker/nginx/routes.conf', text: nginxRoutes(await loadRouting()) },
]
const stale = files.filter(({ path, text }) => readText(join(root, path)) !== text)
for (const { path, text } of stale) {
  if (isCheck) console.log(`${path} is stale: run \`npm run generate\` and commit it`)
  else writeFileSync(join(root, path), text)
}
if (!isCheck) console.log(`${stale.length} of ${files.length} generated files changed`)
process.exitCode = isCheck && stale.length > 0 ? 1 : 0
