import type { SignIn, SignUp, UserView } from '@funmagic/contract/user'
import { reactive } from 'vue'
import { get, post } from '../api/client.ts'
import { toProblem, type ApiProblem } from '../api/problem.ts'

interface Session {
  /** `unknown` until the platform has been asked. */
  state: 'unknown' | 'guest' | 'member'
  user: UserView | undefined
  problem: ApiProblem | undefined
}

/** Who is using the site. The session itself is a cookie that no script can read. */
export const session = reactive<Session>({ state: 'unknown', user: undefined, problem: undefined })

let loading: Promise<void> | undefined

/** Asks once who is signed in. It never throws: what went wrong is in `session.problem`. */
export async function loadSession(): Promise<void> {
  if (session.state !== 'unknown') return
  loading ??= askSession().finally(() => {
    loading = undefined
  })
  await loading
}

async function askSession(): Promise<void> {
  try {
    const reply = await get<{ user: UserView } | null>('/api/auth/get-session')
    if (reply === null) forgetUser()
    else enter(reply.user)
  } catch (error) {
    session.problem = toProblem(error)
  }
}

export async function signIn(body: SignIn): Promise<void> {
  enter((await post<{ user: UserView }>('/api/auth/sign-in/email', { body })).user)
}

export async function signUp(body: SignUp): Promise<void> {
  enter((await post<{ user: UserView }>('/api/auth/sign-up/email', { body })).user)
}

export async function signOut(): Promise<void> {
  await post('/api/auth/sign-out', { body: {} })
  forgetUser()
}

function enter(user: UserView): void {
  Object.assign(session, { state: 'member', user, problem: undefined })
}

/** The platform knows this session no longer, or it never did. */
export function forgetUser(): void {
  Object.assign(session, { state: 'guest', user: undefined, problem: undefined })
}
