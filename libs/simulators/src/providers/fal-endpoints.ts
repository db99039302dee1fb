import { removeBackground } from '../pictures/background.ts'
import { PictureError, readPicture } from '../pictures/picture.ts'
import type { Workshop } from '../pictures/workshop.ts'
import { deliver } from './deliveries.ts'
import type { FileStore } from './file-store.ts'
import { InputError, readInput } from './inputs.ts'
import { type Job, ModerationBlock, ScriptedFailure } from './jobs.ts'
import type { WorkMode } from './scripts.ts'

/** A failure in fal's form: a list of errors, each with a place, a sentence and a type. */
export class FalFailure extends Error {
  readonly status: number
  readonly type: string
  readonly field: string | undefined

  constructor(status: number, type: string, message: string, field?: string) {
    super(message)
    this.status = status
    this.type = type
    this.field = field
  }

  get body(): unknown {
    const loc = this.field === undefined ? ['body'] : ['body', this.field]
    return { detail: [{ loc, msg: this.message, type: this.type }] }
  }
}

interface EndpointRun {
  readonly input: Readonly<Record<string, unknown>>
  readonly files: FileStore
  readonly workshop: Workshop
  readonly mode: WorkMode
  readonly origin: string
}

/** Does the work of one endpoint, or throws FalFailure. */
type Endpoint = (run: EndpointRun) => Promise<unknown>

/** fal-ai/bria/background/remove: a picture in, its subject on a transparent ground out. */
async function removeBackgroundOf(run: EndpointRun): Promise<unknown> {
  const imageUrl = run.input['image_url']
  if (typeof imageUrl !== 'string') {
    throw new FalFailure(422, 'missing', 'Field required', 'image_url')
  }
  const bytes = await readInput(imageUrl, run.files)
  const { png, width, height } = await run.workshop(async () => {
    const picture = await readPicture(bytes)
    const { width, height } = picture
    return { png: await removeBackground(picture), width, height }
  })
  const product = { name: 'output.png', contentType: 'image/png', bytes: png }
  const { mode, origin } = run
  const { url, file } = deliver(run.files, product, { mode, origin, path: '/fal/files' })
  const inline = `data:image/png;base64,${file.bytes.toString('base64')}`
  return {
    image: {
      url: run.input['sync_mode'] === true ? inline : url,
      content_type: 'image/png',
      file_name: file.name,
      file_size: file.bytes.length,
      width,
      height,
    },
  }
}

export const endpoints: ReadonlyMap<string, Endpoint> = new Map([
  ['fal-ai/bria/background/remove', removeBackgroundOf],
  ['bria/background/remove', removeBackgroundOf],
])

/** Why a job did not succeed, as fal says it (fal, "Model errors" and "Request errors"). */
export function failureOf(job: Job<unknown>): FalFailure {
  if (job.state === 'canceled') {
    return new FalFailure(499, 'client_cancelled', 'Client cancelled the request.')
  }
  const { failure } = job
  if (failure instanceof FalFailure) return failure
  if (failure instanceof ModerationBlock) {
    const sentence = 'The content could not be processed because it was flagged by a checker.'
    return new FalFailure(422, 'content_policy_violation', sentence, 'image_url')
  }
  if (failure instanceof ScriptedFailure) {
    return new FalFailure(422, 'no_media_generated', 'The model produced no media.')
  }
  if (failure instanceof InputError) {
    return new FalFailure(422, 'file_download_error', failure.message, 'image_url')
  }
  if (failure instanceof PictureError) {
    const type = failure.fault === 'too-large' ? 'image_too_large' : 'image_load_error'
    return new FalFailure(422, type, failure.message, 'image_url')
  }
  return new FalFailure(500, 'internal_server_error', 'Internal server error')
}
