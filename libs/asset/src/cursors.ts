import { createHash } from 'node:crypto'
import { isId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'

// A cursor is a place in one list: the id of the last row seen, and a digest that ties it to the
// list. It keeps no secret and grants nothing, because every list names its owner again; the digest
// makes a cursor that was changed, or that belongs to another user or filter, a plain mistake.

/** Everything that makes a list another list: whose it is, its order and its filters. */
export type ListIdentity = Readonly<Record<string, unknown>>

const digestLength = 22

export function sealCursor(list: ListIdentity, id: string): string {
  return `${id}.${digestOf(list, id)}`
}

/** The id that the cursor holds. Throws INVALID_CURSOR for what this list has not given out. */
export function openCursor(list: ListIdentity, cursor: string): string {
  const [id = '', digest] = cursor.split('.', 2)
  if (!isId(id) || digest !== digestOf(list, id) || cursor !== sealCursor(list, id)) {
    throw new AppError('INVALID_CURSOR')
  }
  return id
}

function digestOf(list: ListIdentity, id: string): string {
  const identity = Object.entries(list).filter(([, value]) => value !== undefined)
  const text = JSON.stringify(['v1', identity.toSorted(byName), id])
  return createHash('sha256').update(text).digest('base64url').slice(0, digestLength)
}

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1
}
