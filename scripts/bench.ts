// `npm run bench`: ours against the bare library, statement or protocol, as quotients of one run on
// real servers; `npm run bench -- ledger` runs a part, `--rounds 9` more often. The figures are
// printed and written to .local/bench.json. A quotient out of its bound exits with 1.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cases } from './bench/cases.ts'
import { compare, type Result } from './bench/comparison.ts'
import { describeMachine, describeResult } from './bench/report.ts'
import { createSetting } from './bench/setting.ts'
import { localFolders } from './local/folders.ts'
import { Refusal, runScript } from './local/refusal.ts'
import { startTestInfrastructure } from './test-infrastructure.ts'

const roundsDefault = 5

await runScript(async () => {
  const { names, rounds } = readArguments()
  console.log(describeMachine())
  await using infrastructure = await startTestInfrastructure()
  Object.assign(process.env, infrastructure.environment)
  const results: Result[] = []
  for (const name of names) results.push(...(await runCase(name, rounds)))
  const file = join(localFolders(process.env).local, 'bench.json')
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, `${JSON.stringify({ machine: describeMachine(), results }, null, 2)}\n`)
  const missed = results.filter(({ isKept }) => !isKept).length
  console.log(`\n${results.length} quotients, ${missed} out of bounds; all figures in ${file}`)
  process.exitCode = missed === 0 ? 0 : 1
})

async function runCase(name: string, rounds: number): Promise<Result[]> {
  const describe = cases[name]
  if (describe === undefined) throw new Error(`${name} was not checked`)
  console.log(`\n${name}`)
  await using stack = new AsyncDisposableStack()
  const setting = createSetting(stack, text => console.log(`note   ${text}`))
  const results: Result[] = []
  for (const comparison of await describe(setting)) {
    const result = await compare(comparison, rounds)
    console.log(describeResult(result))
    results.push(result)
  }
  return results
}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string' } },
  })
  const unknown = positionals.filter(name => !(name in cases))
  if (unknown.length > 0) {
    throw new Refusal(
      `Unknown: ${unknown.join(', ')}. There are: ${Object.keys(cases).join(', ')}.`,
    )
  }
  const rounds = Number(values.rounds ?? roundsDefault)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
    throw new Refusal('--rounds is a number from 1 to 100.')
  }
  return { names: positionals.length > 0 ? positionals : Object.keys(cases), rounds }
}
