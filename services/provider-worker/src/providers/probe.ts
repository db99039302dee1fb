import type { ProviderType } from '@funmagic/contract/tool'
import { requirePublicHost } from './public-addresses.ts'

/** A question that costs nothing, and that a vendor answers only to those whose key it accepts. */
interface Question {
  readonly vendorUrl: string
  readonly path: string
  readonly headersOf: (apiKey: string) => Record<string, string>
  readonly refusals: readonly number[]
}

const noRequest = '00000000-0000-0000-0000-000000000000'
const bearer = (apiKey: string) => ({ authorization: `Bearer ${apiKey}` })
const refusals = [401, 403]
const questions: Readonly<Record<ProviderType, Question>> = {
  openai: {
    vendorUrl: 'https://api.openai.com/v1',
    path: '/models',
    headersOf: bearer,
    refusals,
  },
  replicate: {
    vendorUrl: 'https://api.replicate.com/v1',
    path: '/account',
    headersOf: bearer,
    refusals,
  },
  tripo: {
    vendorUrl: 'https://api.tripo3d.ai/v2/openapi',
    path: '/user/balance',
    headersOf: bearer,
    refusals,
  },
  // A wrong key is answered like a wrong argument, and there is no other argument.
  google: {
    vendorUrl: 'https://generativelanguage.googleapis.com',
    path: '/v1beta/models',
    headersOf: apiKey => ({ 'x-goog-api-key': apiKey }),
    refusals: [...refusals, 400],
  },
  // fal has nothing of the kind: it is asked for a request that is not there, which it looks for
  // only after it has accepted the key.
  fal: {
    vendorUrl: 'https://queue.fal.run',
    path: `/fal-ai/bria/requests/${noRequest}/status`,
    headersOf: apiKey => ({ authorization: `Key ${apiKey}` }),
    refusals,
  },
}

export interface Probe {
  readonly type: ProviderType
  readonly apiKey: string
  readonly baseUrl: string | null
  readonly timeoutMs: number
}

/**
 * Whether the vendor accepts the key: `unknown` when it does not answer, or says something that
 * has nothing to do with the key.
 */
export async function probeKey(probe: Probe): Promise<'accepted' | 'refused' | 'unknown'> {
  const question = questions[probe.type]
  const root = (probe.baseUrl ?? question.vendorUrl).replace(/\/$/, '')
  const { protocol, hostname } = new URL(root)
  try {
    if (probe.baseUrl !== null && protocol === 'https:') await requirePublicHost(hostname)
    const response = await fetch(`${root}${question.path}`, {
      headers: question.headersOf(probe.apiKey),
      redirect: 'manual',
      signal: AbortSignal.timeout(probe.timeoutMs),
    })
    await response.body?.cancel()
    const { status, ok } = response
    if (question.refusals.includes(status)) return 'refused'
    return ok || status === 404 ? 'accepted' : 'unknown'
  } catch (error) {
    if (error instanceof Error) return 'unknown'
    throw error
  }
}
