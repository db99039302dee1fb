import type { UserRole } from '@funmagic/contract/user'
import { createTestUser } from '@funmagic/session/testing'
import type { Gateway } from './gateway-app.ts'

export interface Sending {
  readonly cookie: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a request as somebody signed in would. */
export function send(
  { app }: Gateway,
  route: `${'GET' | 'POST' | 'PUT' | 'DELETE'} ${string}`,
  { cookie, body, headers = {} }: Sending,
) {
  const [method, url] = route.split(' ')
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  return app.inject({
    method: method as 'GET',
    url: url ?? '',
    headers: { cookie, ...type, ...headers },
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
  })
}

export async function addOperator(gateway: Gateway, role: UserRole = 'admin') {
  return createTestUser(gateway.database, { role })
}
