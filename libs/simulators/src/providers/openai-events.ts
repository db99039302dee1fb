import type { FastifyReply } from 'fastify'
import sharp from 'sharp'
import { fieldsOf } from './exchange.ts'
import type { Mode } from './scripts.ts'

interface Streaming {
  readonly kind: 'image_generation' | 'image_edit'
  readonly drafts: number
  readonly mode: Mode
  /** The answer in one piece. */
  readonly body: unknown
  readonly made: { readonly pictures: readonly Buffer[] }
}

const blurMax = 24

/** The answer as events: drafts that grow sharper, then the picture (OpenAI, "Streaming"). */
export async function sendEvents(reply: FastifyReply, streaming: Streaming): Promise<void> {
  const { kind, drafts, mode, body, made } = streaming
  const { data, ...shared } = fieldsOf(body)
  const results: readonly unknown[] = Array.isArray(data) ? data : []
  reply.hijack()
  const { raw } = reply
  if (mode === 'reset') return void raw.destroy()
  raw.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const send = (type: string, fields: object) =>
    raw.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...shared, ...fields })}\n\n`)
  for (let index = 0; index < drafts; index++) {
    const b64 = await blur(made.pictures[0], blurMax / (index + 1))
    send(`${kind}.partial_image`, { b64_json: b64, partial_image_index: index })
  }
  // Broken off between the drafts and the picture.
  if (mode === 'cut') return void raw.write('event: image', () => raw.destroy())
  for (const result of results) send(`${kind}.completed`, fieldsOf(result))
  raw.end()
}

async function blur(picture: Buffer | undefined, sigma: number): Promise<string> {
  if (picture === undefined) return ''
  return (await sharp(picture).blur(sigma).png().toBuffer()).toString('base64')
}
