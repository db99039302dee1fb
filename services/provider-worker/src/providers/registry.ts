import type { ProviderType } from '@funmagic/contract/tool'
import type { ProviderAccount } from './account.ts'
import { openFal } from './fal.ts'
import { openGemini } from './gemini.ts'
import { openOpenaiImages } from './openai-images.ts'
import type { Provider } from './provider.ts'
import { openReplicate } from './replicate.ts'
import { openTripo } from './tripo.ts'

/** The adapters, by the type of a provider. */
const adapters: Readonly<Record<ProviderType, (account: ProviderAccount) => Provider>> = {
  fal: openFal,
  openai: openOpenaiImages,
  replicate: openReplicate,
  tripo: openTripo,
  google: openGemini,
}

/** Speaks for one account at one vendor. */
export function openProvider(type: ProviderType, account: ProviderAccount): Provider {
  return adapters[type](account)
}
