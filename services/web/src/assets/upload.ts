import type { AssetView, CreateUpload, UploadTicket } from '@funmagic/contract/asset'
import { post } from '../api/client.ts'
import { ApiProblem } from '../api/problem.ts'

export interface UploadOptions {
  /** The feature that the picture is for: the slug of a tool. */
  readonly module: string
  readonly onProgress: (percent: number) => void
  readonly signal: AbortSignal
}

const attemptsMax = 3
const firstPauseMs = 1_000

/** Sends a file straight to the store by ticket, and has it checked there. Throws ApiProblem. */
export async function uploadPicture(file: File, options: UploadOptions): Promise<AssetView> {
  const { module, signal } = options
  const body: CreateUpload = {
    filename: file.name,
    mimeType: file.type || 'application/octet-stream',
    sizeBytes: file.size,
    module,
  }
  const { uploadId, upload } = await post<UploadTicket>('/api/assets/uploads', { body, signal })
  await sendPatiently(file, upload, options)
  return post<AssetView>(`/api/assets/uploads/${uploadId}/complete`, { body: {}, signal })
}

/** A phone that loses its network sends the file again, within the life of the ticket. */
async function sendPatiently(
  file: File,
  upload: UploadTicket['upload'],
  options: UploadOptions,
): Promise<void> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    try {
      await send(file, upload, options)
      return
    } catch (error) {
      const isLast = attempt === attemptsMax || options.signal.aborted
      if (isLast || !(error instanceof ApiProblem) || error.code !== 'OFFLINE') throw error
      await new Promise(resolve => setTimeout(resolve, firstPauseMs * 2 ** attempt))
    }
  }
}

/** XMLHttpRequest, because fetch does not tell how far the bytes have come. */
function send(
  file: File,
  { method, url, headers }: UploadTicket['upload'],
  { onProgress, signal }: UploadOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open(method, url)
    for (const [name, value] of Object.entries(headers)) {
      // The browser says the length itself, and forbids others to.
      if (name.toLowerCase() !== 'content-length') request.setRequestHeader(name, value)
    }
    request.upload.onprogress = event => onProgress(Math.round((100 * event.loaded) / file.size))
    request.onload = () => {
      if (request.status < 300) return resolve()
      const suggestion = 'Choose the file again.'
      const message = `The store refused the file (${request.status}).`
      reject(new ApiProblem('UPLOAD_INCOMPLETE', message, { suggestion }))
    }
    request.onerror = () => {
      const suggestion = 'Look at your connection and try again.'
      reject(new ApiProblem('OFFLINE', 'The file could not be sent.', { suggestion }))
    }
    request.onabort = () => reject(new DOMException('Given up', 'AbortError'))
    signal.addEventListener('abort', () => request.abort(), { once: true })
    request.send(file)
  })
}
