import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const environments = ['dev', 'staging', 'production'] as const

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

interface Row {
  readonly name: string
  readonly arithmetic: string
  /** For dev, staging and production. */
  readonly costs: readonly number[]
}

/** The table of terraform/README.md, "What it costs". */
function readTable(): Row[] {
  const [, section = ''] = read('terraform/README.md').split('\n## What it costs\n')
  const [table = ''] = section.split('\n## ')
  const lines = table.split('\n').filter(line => /^\| .*\d/.test(line))
  return lines.map(line => {
    const [, name = '', arithmetic = '', ...costs] = line.split('|').map(cell => cell.trim())
    const numbers = costs.slice(0, 3).map(cell => Number(cell.replaceAll(/[*,]/g, '')))
    return { name: name.replaceAll('*', ''), arithmetic, costs: numbers }
  })
}

const rows = readTable()
const isSum = ({ name }: Row) => name === 'A month' || name === 'A day'
const near = (one: number, other: number) => Math.abs(one - other) < 0.006

function costsOf(name: string): readonly number[] {
  return rows.find(row => row.name === name)?.costs ?? []
}

t.test(
  'the months of the cost table are the sums of their columns, and the days a part',
  async t => {
    t.ok(rows.length > 12)
    for (const [index, environment] of environments.entries()) {
      const parts = rows.filter(row => !isSum(row)).map(({ costs }) => costs[index] ?? Number.NaN)
      const month = costsOf('A month')[index] ?? Number.NaN
      const sum = parts.reduce((total, part) => total + part, 0)

      t.ok(near(sum, month), `${environment}: ${sum.toFixed(2)} and ${month}`)
      t.ok(near(month / 30.4, costsOf('A day')[index] ?? Number.NaN), `${environment} a day`)
    }
  },
)

t.test('Fargate costs what the copies of the tfvars take', async t => {
  for (const [index, environment] of environments.entries()) {
    const tfvars = read(`terraform/environments/${environment}/terraform.tfvars`)
    const copies = tfvars.matchAll(/cpu = (\d+), memory_mib = (\d+), min_count = (\d+)/g)
    let [vcpus, gigabytes] = [0, 0]
    for (const [, cpu, memory, count] of copies) {
      vcpus += (Number(cpu) / 1024) * Number(count)
      gigabytes += (Number(memory) / 1024) * Number(count)
    }
    const cost = 730 * (vcpus * 0.04048 + gigabytes * 0.004445)

    t.ok(near(cost, costsOf('Fargate')[index] ?? Number.NaN), `${environment}: ${cost.toFixed(2)}`)
  }
})

t.test('each step of the arithmetic that has a result is right', async t => {
  let count = 0
  for (const { name, arithmetic } of rows) {
    for (const [step, left, right, result] of arithmetic.matchAll(
      /([\d.]+) × ([\d.]+) = ([\d.]+)/g,
    )) {
      count++
      t.ok(near(Number(left) * Number(right), Number(result)), `${name}: ${step}`)
    }
  }
  t.ok(count >= 4)
})
