import Type, { type Static, type TSchema } from 'typebox'
import { isId } from './ids.ts'
import { AppError } from './problem.ts'

export const pageLimitMax = 100
export const pageLimitDefault = 20

/** Query parameters of every list: keyset paging, newest first. */
export const pageQuery = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: pageLimitMax, default: pageLimitDefault }),
  ),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 512, description: 'nextCursor of the page before' }),
  ),
} as const

/** The reply of every list; nextCursor is null on the last page. */
export function Page<Item extends TSchema>(item: Item) {
  return Type.Object({
    items: Type.Array(item),
    nextCursor: Type.Union([Type.String(), Type.Null()]),
  })
}

export interface PageOf<Item> {
  items: Item[]
  nextCursor: string | null
}

/** A place in a list ordered by id, newest first: ids are UUIDv7, so id order is time order. */
export interface PageRequest {
  readonly limit: number
  readonly beforeId: string | undefined
}

export type PageQuery = { limit?: number; cursor?: string }

/** The place that a list's query names. Throws INVALID_CURSOR for what no list has given out. */
export function readPage(query: PageQuery): PageRequest {
  if (query.cursor !== undefined && !isId(query.cursor)) throw new AppError('INVALID_CURSOR')
  return { limit: query.limit ?? pageLimitDefault, beforeId: query.cursor }
}

export type PageReply<Item extends TSchema> = Static<ReturnType<typeof Page<Item>>>
