import Type, { type Static, type TSchema } from 'typebox'

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

export type PageReply<Item extends TSchema> = Static<ReturnType<typeof Page<Item>>>
