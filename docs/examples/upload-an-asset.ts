// Uploads a picture and prints an address that shows it: ticket, PUT, confirm, resolve.
//
//   npm start
//   node docs/examples/upload-an-asset.ts http://localhost:8080 cat.jpg
//
// Nothing but fetch; the types are those of the API's contract and leave no trace at run time.
import { createHash, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import type { AssetView, UploadTicket } from '@funmagic/contract/asset'
import type { ResolvedAssets } from '@funmagic/contract/gallery'

const [platform = 'http://localhost:8080', file = 'picture.png'] = process.argv.slice(2)
const mimeTypes: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
}

const cookie = await signUp()
const asset = await upload(file)
const { items } = await call<ResolvedAssets>('/api/assets/resolve', { ids: [asset.id] })
console.log(asset.id, items[0]?.url)

/** Somebody new each time, so that the example needs nothing but the platform. */
async function signUp(): Promise<string> {
  const email = `${randomUUID()}@example.test`
  const reply = await post('/api/auth/sign-up/email', { name: 'Me', email, password: randomUUID() })
  return reply.headers.getSetCookie()[0]?.split(';')[0] ?? ''
}

async function upload(path: string): Promise<AssetView> {
  const bytes = await readFile(path)
  // The size and the digest are signed: the store takes these bytes and no others.
  const ticket = await call<UploadTicket>('/api/assets/uploads', {
    filename: basename(path),
    mimeType: mimeTypes[extname(path).toLowerCase()],
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    module: 'background-remove',
  })
  // Straight to the store, with exactly the method and the headers of the ticket; no cookie.
  const { method, url, headers } = ticket.upload
  await expectOk(await fetch(url, { method, headers, body: bytes }))
  // It is looked at now. May be repeated, also after a 503, which says when by Retry-After.
  return call<AssetView>(`/api/assets/uploads/${ticket.uploadId}/complete`)
}

async function call<Reply>(path: string, body?: object): Promise<Reply> {
  const reply: unknown = await (await post(path, body, cookie)).json()
  // The platform holds its replies to the contract.
  return reply as Reply
}

async function post(path: string, body?: object, as?: string): Promise<Response> {
  const headers = {
    ...(as === undefined ? {} : { cookie: as }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  const text = body === undefined ? {} : { body: JSON.stringify(body) }
  return expectOk(await fetch(new URL(path, platform), { method: 'POST', headers, ...text }))
}

/** Refusals are JSON: `error.code` is for programs, `error.message` for people. */
async function expectOk(response: Response): Promise<Response> {
  if (response.ok) return response
  throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`)
}
