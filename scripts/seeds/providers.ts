import type { ProviderType } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { openCredentials } from '@funmagic/provider/credentials'
import { saveProvider } from '@funmagic/provider/providers'

interface ProviderSeed {
  readonly id: string
  readonly name: string
  readonly type: ProviderType
  /** Where the simulator of this provider answers. */
  readonly simulatorPath: string
}

/** Fixed ids, because the steps of tools name them. */
export const providerSeeds = {
  openai: {
    id: '019aa000-0000-7000-8000-000000000001',
    name: 'OpenAI',
    type: 'openai',
    simulatorPath: '/openai/v1',
  },
  replicate: {
    id: '019aa000-0000-7000-8000-000000000002',
    name: 'Replicate',
    type: 'replicate',
    simulatorPath: '/replicate/v1',
  },
  fal: {
    id: '019aa000-0000-7000-8000-000000000003',
    name: 'fal',
    type: 'fal',
    simulatorPath: '/fal',
  },
  tripo: {
    id: '019aa000-0000-7000-8000-000000000004',
    name: 'Tripo',
    type: 'tripo',
    simulatorPath: '/tripo/v2/openapi',
  },
  google: {
    id: '019aa000-0000-7000-8000-000000000005',
    name: 'Google',
    type: 'google',
    simulatorPath: '/google',
  },
} as const satisfies Record<ProviderType, ProviderSeed>

export interface ProviderAccess {
  readonly secretKey: string
  readonly providerKeys: Readonly<Partial<Record<ProviderType, string>>>
  /** Where simulators stand in for providers without a key; undefined where there are none. */
  readonly simulatorsUrl: string | undefined
}

const simulatorKey = 'local-simulator-key'

/**
 * With a key a provider is the real one; without, its simulator. Written at every start, since
 * keys and ports come from the environment. Answers the ids of the providers that can be used.
 */
export async function plantProviders(
  database: Database,
  { secretKey, providerKeys, simulatorsUrl }: ProviderAccess,
): Promise<ReadonlySet<string>> {
  const credentials = await openCredentials(secretKey)
  const usable = new Set<string>()
  for (const { simulatorPath, ...provider } of Object.values(providerSeeds)) {
    const key = providerKeys[provider.type]
    if (key === undefined && simulatorsUrl === undefined) continue
    const access =
      key === undefined
        ? { apiKey: simulatorKey, baseUrl: `${simulatorsUrl}${simulatorPath}` }
        : { apiKey: key, baseUrl: null }
    await saveProvider(database, credentials, { ...provider, ...access })
    usable.add(provider.id)
  }
  return usable
}
