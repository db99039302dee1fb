import type { UserRole } from '@funmagic/contract/user'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import { addCredential, createUser, findCredential } from '@funmagic/session/users'
import { createPasswords } from '../../services/auth/src/password.ts'
import type { Account, AccountName } from '../local/secrets.ts'

const people: Readonly<Record<AccountName, { readonly name: string; readonly role: UserRole }>> = {
  user: { name: 'Demo User', role: 'user' },
  admin: { name: 'Demo Admin', role: 'admin' },
  superAdmin: { name: 'Demo Super Admin', role: 'super_admin' },
}

const bonusCredits = 1000

/** Creates the demo accounts that are not there, with their credits, as the sign-up would. */
export async function plantAccounts(
  database: Database,
  accounts: Readonly<Record<AccountName, Account>>,
): Promise<void> {
  for (const name of Object.keys(people).filter(isAccountName)) {
    const { email, password } = accounts[name]
    if ((await findCredential(database, email)) !== undefined) continue
    const passwords = await createPasswords()
    const passwordHash = await passwords.hash(password)
    await inTransaction(database, async tx => {
      const { id: userId } = await createUser(tx, { email, ...people[name] })
      await addCredential(tx, { userId, passwordHash })
      await openAccount(tx, { userId, bonusCredits })
    })
  }
}

function isAccountName(name: string): name is AccountName {
  return Object.hasOwn(people, name)
}
