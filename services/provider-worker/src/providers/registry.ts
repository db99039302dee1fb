import type { ProviderType } from '@funmagic/contract/tool'
import type { ProviderAccount } from './account.ts'
import { openFal } from './fal.ts'
import { openOpenaiImages } from './openai-images.ts'
import type { Provider } from './provider.ts'
import { openReplicate } from './replicate.ts'
import { openTripo } from './tripo.ts'

/** The adapters, by the type of a provider; a type without one cannot be run yet. */
const adapters: Readonly<Record<ProviderType, ((account: ProviderAccount) => Provider) | null>> = {
  fal: openFal,
  openai: openOpenaiImages,
  replicate: openReplicate,
  tripo: openTripo,
  google: null,
}

/** Speaks for one account at one vendor; undefined for a vendor that no adapter speaks to. */
export function openProvider(type: ProviderType, account: ProviderAccount): Provider | undefined {
  return adapters[type]?.(account)
}
