import { uploadMimeTypes } from '@funmagic/contract/asset'
import type { OutputMimeType, UploadMimeType } from '@funmagic/contract/asset'

/** Enough of the beginning of a file to tell its type. */
const signatures: readonly { readonly mimeType: OutputMimeType; readonly pattern: RegExp }[] = [
  { mimeType: 'image/jpeg', pattern: /^\xff\xd8\xff/ },
  { mimeType: 'image/png', pattern: /^\x89PNG\r\n[^]\n/ },
  { mimeType: 'image/gif', pattern: /^GIF8[79]a/ },
  { mimeType: 'image/webp', pattern: /^RIFF[^]{4}WEBPVP8/ },
  { mimeType: 'model/gltf-binary', pattern: /^glTF/ },
  { mimeType: 'model/ply', pattern: /^ply\r?\n/ },
]
const signatureBytesMax = 16

const extensions: Readonly<Record<OutputMimeType, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/gif': 'gif',
  'model/gltf-binary': 'glb',
  'model/ply': 'ply',
}

/** The type that the first bytes tell, or undefined for any that is not ours to keep (A16). */
export function sniffMimeType(bytes: Uint8Array): OutputMimeType | undefined {
  const start = Buffer.from(bytes.subarray(0, signatureBytesMax)).toString('latin1')
  return signatures.find(({ pattern }) => pattern.test(start))?.mimeType
}

export function extensionOf(mimeType: OutputMimeType): string {
  return extensions[mimeType]
}

/** Every extension that a key can have. */
export const keyExtensions: readonly string[] = Object.values(extensions)

/** Narrows a declared type to one that may be uploaded. */
export function findUploadMimeType(declared: string): UploadMimeType | undefined {
  return uploadMimeTypes.find(mimeType => mimeType === declared)
}

export function isPicture(mimeType: OutputMimeType): mimeType is UploadMimeType {
  return findUploadMimeType(mimeType) !== undefined
}
