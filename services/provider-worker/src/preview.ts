import { shrinkPicture } from '@funmagic/asset/pictures'
import type { Preview } from '@funmagic/contract/progress'

const previewBytesMax = 10_000

/** A draft made small enough for an event; undefined for one that cannot be shown (TR7). */
export async function previewOf(draft: Uint8Array): Promise<Preview | undefined> {
  try {
    const { pictures } = await shrinkPicture(draft, 'image/png')
    const thumb = pictures.get('thumb')
    if (thumb === undefined || thumb.length > previewBytesMax) return undefined
    return { mimeType: 'image/webp', data: Buffer.from(thumb).toString('base64') }
  } catch {
    // A draft is a courtesy: the task goes on without it.
    return undefined
  }
}
