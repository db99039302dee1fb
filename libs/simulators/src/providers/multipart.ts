import type { FastifyInstance, FastifyRequest } from 'fastify'

export interface Upload {
  readonly name: string
  readonly contentType: string
  readonly bytes: Buffer
}

/** A multipart body: the values and the files of each field, in the order in which they came. */
export interface Form {
  readonly fields: ReadonlyMap<string, readonly string[]>
  readonly files: ReadonlyMap<string, readonly Upload[]>
}

/** Lets a scope take multipart bodies; a handler gets a Form. */
export function acceptMultipart(app: FastifyInstance): void {
  app.addContentTypeParser(
    'multipart/form-data',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) =>
      parseForm(body, request.headers['content-type'] ?? ''),
  )
}

async function parseForm(body: Buffer, contentType: string): Promise<Form> {
  const reply = new Response(new Uint8Array(body), { headers: { 'content-type': contentType } })
  // oxlint-disable-next-line typescript/no-deprecated -- the body is bounded, and whole already
  const form = await reply.formData().catch((cause: unknown) => {
    throw Object.assign(new Error('The multipart body cannot be read', { cause }), {
      statusCode: 400,
    })
  })
  const fields = new Map<string, string[]>()
  const files = new Map<string, Upload[]>()
  for (const [name, value] of form) {
    if (typeof value === 'string') {
      fields.set(name, [...(fields.get(name) ?? []), value])
      continue
    }
    const bytes = Buffer.from(await value.arrayBuffer())
    const upload = { name: value.name, contentType: value.type, bytes }
    files.set(name, [...(files.get(name) ?? []), upload])
  }
  return { fields, files }
}
