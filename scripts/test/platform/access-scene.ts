import { Redis } from 'ioredis'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createSessions } from '@funmagic/session/session'
import { suspendUser } from '@funmagic/session/user-changes'
import type { Access, Subject } from './access-matrix.ts'
import { Client, makePicture } from './client.ts'
import { until, type Platform } from './platform.ts'

export type Caller = 'anon' | 'suspended' | 'own' | 'other' | 'admin' | 'superAdmin'

/** Everybody who calls, with a real session each, and the things that they name. */
export interface Scene {
  readonly callers: Readonly<Record<Caller, Client>>
  readonly ids: Readonly<Record<Subject, string>>
}

/** A user with a picture, a ticket and a finished task; a stranger; operators; one suspended. */
export async function setScene(platform: Platform): Promise<Scene> {
  const { addresses, newUser } = platform
  const [own, other, suspended] = [await newUser(), await newUser(), await newUser()]
  await suspend(platform, suspended)
  const callers = {
    anon: new Client(addresses.edge),
    suspended,
    own,
    other,
    admin: await signIn(addresses.edge, addresses.accounts.admin),
    superAdmin: await signIn(addresses.edge, addresses.accounts.superAdmin),
  }
  return { callers, ids: await findIds(platform, own) }
}

async function findIds({ database }: Platform, own: Client): Promise<Scene['ids']> {
  const picture = await makePicture()
  const asset = (await own.upload(picture)).id
  const task = (await own.submit(asset)).body.task.id
  await until(async () => (await own.task(task)).status === 'completed', 'the task has completed')
  const body = { filename: 'a.png', mimeType: 'image/png', sizeBytes: 10, module: 'upload' }
  const ask = async () => {
    const wish = { ...body, sha256: 'a'.repeat(64) }
    const ticket = await own.send('POST', '/api/assets/uploads', wish)
    return ticket.body.uploadId
  }
  const share = async () => {
    return (await own.send('POST', '/api/assets/share-links', { assetIds: [asset] })).body.id
  }
  const { rows } = await database.query<{ tool: string; toolType: string; provider: string }>(sql`
    SELECT id AS tool, tool_type_id AS "toolType", config #>> '{steps,0,providerId}' AS provider
    FROM tools WHERE slug = 'background-remove'
  `)
  const session = await own.send('GET', '/api/auth/get-session')
  if (rows[0] === undefined) throw new Error('the seeds have no such tool')
  return {
    ...rows[0],
    task,
    asset,
    movingAsset: (await own.upload(picture)).id,
    doomedAsset: (await own.upload(picture)).id,
    upload: await ask(),
    doomedUpload: await ask(),
    shareLink: await share(),
    doomedShareLink: await share(),
    adjustment: newId(),
    paymentEvent: newId(),
    providerType: 'fal',
    toolSlug: 'background-remove',
    feature: 'purchases',
    adminProvider: newId(),
    user: session.body.user.id,
  }
}

/** Suspends the user, who then signs in again: told so, and with a session that may read. */
export async function suspend({ database, addresses }: Platform, client: Client): Promise<Reply> {
  const { body } = await client.send('GET', '/api/auth/get-session')
  const redis = new Redis(addresses.redisCache)
  await suspendUser(createSessions({ database, redis }), body.user.id)
  redis.disconnect()
  const credential = { email: body.user.email, password: 'correct horse battery' }
  const reply = await client.send('POST', '/api/auth/sign-in/email', credential)
  return { status: reply.status, text: '', code: reply.body.error?.code }
}

async function signIn(edge: string, account: { email: string; password: string }) {
  const client = new Client(edge)
  const { email, password } = account
  const reply = await client.send('POST', '/api/auth/sign-in/email', { email, password })
  if (reply.status !== 200) throw new Error(`sign-in answered ${JSON.stringify(reply.body)}`)
  return client
}

export interface Call {
  readonly method: string
  readonly path: string
  readonly body: object | undefined
}

/** The request of a row, with the ids of the scene or others in their place. */
export function callOf(route: string, access: Access, ids: Readonly<Record<string, string>>): Call {
  const [method = '', template = ''] = route.split(' ')
  const path = template.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
    const subject = access.ids?.[name]
    if (subject === undefined) throw new Error(`${route}: say in ids what {${name}} stands for`)
    return encodeURIComponent(ids[subject] ?? '')
  })
  const text = JSON.stringify(access.body)?.replaceAll(/\{(\w+)\}/g, (all, name: string) => {
    return ids[name] ?? all
  })
  return {
    method,
    path: `${path}${access.query ?? ''}`,
    body: text === undefined ? undefined : JSON.parse(text),
  }
}

export interface Reply {
  readonly status: number
  readonly text: string
  readonly code: string | undefined
}

/** Sends it to the edge or to a service itself; of a stream only the head is read. */
export async function send(
  address: string,
  { method, path, body }: Call,
  headers: Readonly<Record<string, string>>,
  isStream = false,
): Promise<Reply> {
  const response = await fetch(`${address}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== '')),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
    redirect: 'manual',
  })
  if (isStream && response.ok) {
    await response.body?.cancel()
    return { status: response.status, text: '', code: undefined }
  }
  const text = await response.text()
  const code = /^\{"error":\{"code":"([A-Z_]+)"/.exec(text)?.[1]
  return { status: response.status, text, code }
}
