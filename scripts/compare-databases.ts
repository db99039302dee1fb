// `FROM_DATABASE_URL=… TO_DATABASE_URL=… node scripts/compare-databases.ts`: whether two databases
// hold the same rows, table by table, before a cut-over (docs/runbook.md). Exits with 1 if not.
import { runScript, Refusal } from './local/refusal.ts'
import { compareDatabases, isEqual, type TableComparison } from './migrations/comparison.ts'

await runScript(async () => {
  const from = process.env['FROM_DATABASE_URL']
  const to = process.env['TO_DATABASE_URL']
  if (!from || !to) {
    throw new Refusal('Name both databases: FROM_DATABASE_URL and TO_DATABASE_URL.')
  }
  const comparisons = await compareDatabases({ from, to }, comparison => {
    console.log(describe(comparison))
  })
  const different = comparisons.filter(comparison => !isEqual(comparison)).length
  console.log(`${comparisons.length} tables compared, ${different} differ`)
  process.exitCode = different === 0 ? 0 : 1
})

function describe(comparison: TableComparison): string {
  const { table, from, to } = comparison
  if (isEqual(comparison)) return `same    ${table}: ${from?.rows ?? '0'} rows`
  if (from === undefined || to === undefined) {
    return `DIFFERS ${table}: it is only in ${from === undefined ? 'the target' : 'the source'}`
  }
  if (from.columns.join() !== to.columns.join()) return `DIFFERS ${table}: other columns`
  if (from.rows !== to.rows) return `DIFFERS ${table}: ${from.rows} rows against ${to.rows}`
  return `DIFFERS ${table}: ${from.rows} rows on both sides, with other contents`
}
