// `node scripts/reseal-provider-keys.ts`: seals the providers' keys of DATABASE_URL anew that are
// under SECRET_KEY_PREVIOUS instead of SECRET_KEY, or in the older form. Repeat it until it says
// 0 resealed; a key that neither opens is named, left as it is, and makes the exit code 1.
import { openDatabase } from '@funmagic/database/client'
import { openCredentials } from '@funmagic/provider/credentials'
import { resealKeys } from '@funmagic/provider/reseal'

const url = process.env['DATABASE_URL']
const secretKey = process.env['SECRET_KEY']
if (url === undefined || secretKey === undefined) {
  throw new Error('DATABASE_URL and SECRET_KEY must be set, and SECRET_KEY_PREVIOUS in a rotation')
}
await using database = openDatabase({ url, poolMax: 1, applicationName: 'reseal-provider-keys' })
const credentials = await openCredentials(secretKey, process.env['SECRET_KEY_PREVIOUS'])
const { resealed, alreadyCurrent, unreadable } = await resealKeys(database, credentials)
console.log(`${resealed} resealed, ${alreadyCurrent} current, ${unreadable.length} unreadable`)
for (const name of unreadable) console.log(`unreadable: ${name}`)
if (unreadable.length > 0) process.exitCode = 1
