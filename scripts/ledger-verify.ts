// `npm run ledger:verify`: proves the books of DATABASE_URL, else of the running local system.
// One line for each row that breaks an invariant, exit code 1 for any; it changes nothing.
import { openDatabase } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { countBooks, countProofs, streamViolations } from '@funmagic/ledger/proof'
import { taskSettlements } from '@funmagic/task/settlement'
import { localFolders } from './local/folders.ts'
import { runScript } from './local/refusal.ts'
import { findDatabase } from './local/running-database.ts'

const statementTimeoutMs = 15 * 60_000
const linesMax = 10_000

await runScript(async () => {
  const { url } = await findDatabase(process.env, localFolders(process.env).local)
  const begun = performance.now()
  await using database = openDatabase({
    url,
    poolMax: 2,
    applicationName: 'ledger-verify',
    statementTimeoutMs,
  })
  const books = await countBooks(database)
  let findings = 0
  await inTransaction(database, async tx => {
    findings = 0
    for await (const { invariant, claim, row } of streamViolations(tx, taskSettlements)) {
      findings += 1
      if (findings <= linesMax) console.log(`${invariant} ${claim} ${JSON.stringify(row)}`)
    }
  })
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  const { accounts, entries, reservations, payments } = books
  console.log(
    `${findings} findings: ${countProofs(taskSettlements)} claims about ${accounts} accounts, ` +
      `${entries} entries, ${reservations} reservations and ${payments} payments, in ${seconds} s`,
  )
  if (findings > 0) process.exitCode = 1
})
