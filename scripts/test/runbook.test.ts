import { existsSync, globSync, readFileSync } from 'node:fs'
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

t.test('every alarm that has a line can ring', async t => {
  const [, table = ''] = runbook.split('\n## Alarms\n')
  const listed = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name)

  t.same(listed.sort(), [...new Set(alarmNames())].sort())
})

/** Everything that is run or applied: what a document names must be named there too. */
function sources(): string {
  const patterns = [
    '{libs,services}/*/src/**/*.ts',
    'libs/database/prisma/migrations/*/migration.sql',
    'terraform/**/*.{tf,tfvars,json}',
    '.github/**/*.{yml,sh}',
    'scripts/*.{ts,mjs}',
    'scripts/{local,suite,compose,doctor}/*.ts',
    'docker/**/*.{yml,Dockerfile}',
  ]
  const exclude = (name: string) => name === 'node_modules' || name === 'generated'
  return globSync(patterns, { cwd: root, exclude }).map(read).join('\n')
}

const manuals = ['docs/runbook.md', 'terraform/README.md', 'docker/README.md']

t.test('every metric, column, setting and option that a manual names is somewhere', async t => {
  const text = sources()
  // Postgres, Prometheus and Terraform have names too.
  const foreign = /^(pg_[a-z]+|[a-z]+_id_seq|histogram_quantile|TF_CLI_CONFIG_FILE)$/
  let count = 0
  for (const manual of manuals) {
    const code = [...read(manual).matchAll(/`([^`\n]+)`/g)]
      .map(([, words = '']) => words)
      .join('\n')
    for (const [name] of code.matchAll(/\b(?:[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+)\b/g)) {
      if (foreign.test(name)) continue
      count++
      t.ok(text.includes(name.replace(/_bucket$/, '')), `${manual} names ${name}`)
    }
  }
  t.ok(count > 80, `${count} names`)
})

t.test('every script, workflow and path of the API that a manual names is there', async t => {
  const text = sources()
  const workflows = globSync('.github/workflows/*.yml', { cwd: root }).map(read).join('\n')
  for (const manual of manuals) {
    const words = read(manual)
    for (const [path] of words.matchAll(/(?:\.github\/)?scripts\/[\w/-]+\.(?:ts|sh|mjs)/g)) {
      t.ok(existsSync(join(root, path)), `${manual} names ${path}`)
    }
    for (const [, name = ''] of words.matchAll(/workflow "([^"]+)"/g)) {
      t.ok(workflows.includes(`name: ${name}\n`), `${manual} names the workflow ${name}`)
    }
    for (const [, name = ''] of words.matchAll(/job "([^"]+)"/g)) {
      t.ok(workflows.includes(`name: ${name}\n`), `${manual} names the job ${name}`)
    }
    for (const [, path = ''] of words.matchAll(/`(?:[A-Z]+ )?(\/api\/[a-z/-]+)/g)) {
      t.ok(text.includes(path.replace(/\/$/, '')), `${manual} names ${path}`)
    }
  }
})

t.test('every output of Terraform that a manual names is one', async t => {
  const outputs = globSync('terraform/{account,environments/dev}/outputs.tf', { cwd: root })
  const declared = outputs.map(read).join('\n')
  for (const manual of manuals) {
    for (const [, names = ''] of read(manual).matchAll(
      /\boutputs? (`[a-z_]+`(?: (?:and )?`[a-z_]+`)*)/g,
    )) {
      for (const [, name = ''] of names.matchAll(/`([a-z_]+)`/g)) {
        const isKeyOfOne = /^(plan|build)$/.test(name)
        if (!isKeyOfOne) t.match(declared, `output "${name}"`, `${manual} names ${name}`)
      }
    }
  }
  t.match(declared, 'output "migration_task"')
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
