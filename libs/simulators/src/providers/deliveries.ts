import type { FastifyInstance } from 'fastify'
import type { FileStore, StoredFile } from './file-store.ts'
import type { WorkMode } from './scripts.ts'

/** A result as the work made it. */
export interface Product {
  readonly name: string
  readonly contentType: string
  readonly bytes: Buffer
}

/**
 * Puts a result where the caller can fetch it, and says where; the modes that spoil outputs do
 * so here. Anyone who has the address gets the file, as with the providers.
 */
export function deliver(
  files: FileStore,
  product: Product,
  to: { mode: WorkMode; origin: string; path: string },
): { url: string; file: StoredFile } {
  const bytes =
    to.mode === 'invalid-output' ? Buffer.from('<html>no picture</html>') : product.bytes
  const file = files.put({ ...product, bytes })
  const url = `${to.origin}${to.path}/${file.id}/${product.name}`
  switch (to.mode) {
    case 'missing-output':
      return { url: url.replace(file.id, '0'.repeat(32)), file }
    case 'redirect-output':
      return { url: `${url}?redirect=1`, file }
    case 'link-local-output':
      return { url: 'http://169.254.169.254/latest/meta-data/', file }
    default:
      return { url, file }
  }
}

/** Serves what was delivered. */
export function registerDeliveries(app: FastifyInstance, files: FileStore, path: string): void {
  app.get<{ Params: { id: string; name: string }; Querystring: { redirect?: string } }>(
    `${path}/:id/:name`,
    (request, reply) => {
      const file = files.find(request.params.id)
      if (file === undefined) return reply.status(404).send({ detail: 'Not found.' })
      if (request.query.redirect !== undefined) {
        return reply.redirect('http://169.254.169.254/latest/meta-data/', 302)
      }
      return reply.type(file.contentType).send(file.bytes)
    },
  )
}
