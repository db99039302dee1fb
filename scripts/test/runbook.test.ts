import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTestDatabase } from '@funmagic/database/testing'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const runbook = read('docs/runbook.md')

/** Names as the runbook writes them: what differs from resource to resource is in brackets. */
function alarmNames(): string[] {
  const files = globSync('terraform/modules/observability/alarms*.tf', { cwd: root })
  return files.flatMap(file => {
    const text = read(file)
    const inMaps = [...text.matchAll(/^ {4}([a-z-]+) += \{/gm)].map(([, key = '']) => key)
    const names = [...text.matchAll(/alarm_name += "\$\{var\.name\}-(.+)"$/gm)]
    return names.flatMap(([, name = '']) => {
      if (name.includes('replace(each.key'))
        return [name.replace(/^\$\{.*?\)\}/, '<service>-<group>')]
      if (!name.includes('${each.key}')) return [name]
      const isListed = inMaps.length > 0 && /^(queue-)?\$\{each\.key\}$/.test(name)
      if (!isListed) return [name.replace('${each.key}', '<service>')]
      return inMaps.map(key => name.replace('${each.key}', key))
    })
  })
}

t.test('every alarm that can ring has a line that says what to do', async t => {
  const names = alarmNames()

  t.ok(names.length >= 15, `${names.length} alarms are found in Terraform`)
  for (const name of names) t.match(runbook, `| \`${name}\``, name)
})

t.test('every variable and secret of the workflows is explained', async t => {
  const workflows = globSync('.github/workflows/*.yml', { cwd: root }).map(read).join('\n')
  const names = [...workflows.matchAll(/\b(?:vars|secrets)\.([A-Z_]+)/g)].map(
    ([, name = '']) => name,
  )

  for (const name of new Set(names)) t.match(runbook, `\`${name}\``, name)
})

t.test('every rule about migrations is documented', async t => {
  const rules = [...read('scripts/migrations/rules.ts').matchAll(/rule: '([a-z-]+)'/g)]
  const documented = read('docs/migrations.md')

  t.ok(rules.length >= 9)
  for (const [, rule = ''] of rules) t.match(documented, `\`${rule}\``, rule)
})

t.test('what the runbook asks a database is SQL, and finds nothing in a good one', async t => {
  const questions = [...runbook.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, sql = '']) => sql)
  const { database } = await createTestDatabase(t)

  t.equal(questions.length, 4)
  for (const question of questions) t.same((await database.pool.query(question)).rows, [])
})
