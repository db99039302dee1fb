import type { LinkMode } from './fault-proxy.ts'
import { Random } from './random.ts'

export const services = [
  'auth',
  'asset',
  'credit',
  'task-gateway',
  'progress',
  'provider-worker',
] as const
export type ServiceName = (typeof services)[number]
export const links = ['postgres', 'redisQueue', 'redisCache', 's3', 'providers'] as const
export type LinkName = (typeof links)[number]
export const providers = ['openai', 'replicate', 'fal', 'tripo', 'google'] as const
export type ProviderName = (typeof providers)[number]

/** The requests in the middle of which a service is killed. */
export const struck = {
  'task-gateway': 'POST /api/tasks',
  asset: 'POST /api/assets',
  credit: 'POST /api/credits',
} as const satisfies Partial<Record<ServiceName, string>>
export type StruckService = keyof typeof struck

const paymentModes = ['late', 'duplicate', 'out-of-order'] as const
const webhookModes = ['twice', 'before-reply', 'out-of-order', 'bad-signature', 'never'] as const

export type Fault =
  | { readonly kind: 'kill' | 'terminate' | 'pause'; readonly service: ServiceName }
  | { readonly kind: 'strike'; readonly service: StruckService }
  | { readonly kind: 'crash'; readonly store: 'postgres' | 'redisQueue' | 'redisCache' | 's3' }
  | { readonly kind: 'flush'; readonly store: 'redisQueue' | 'redisCache' }
  | { readonly kind: 'link'; readonly link: LinkName; readonly mode: LinkMode }
  | { readonly kind: 'provider'; readonly provider: ProviderName; readonly mode: ProviderMode }
  | { readonly kind: 'payments'; readonly mode: (typeof paymentModes)[number] }
  | {
      readonly kind: 'webhooks'
      readonly provider: 'fal' | 'replicate'
      readonly webhook: (typeof webhookModes)[number]
    }

/** A fault, when it comes and how long it lasts; what is over in a moment lasts 0. */
export interface PlannedFault {
  readonly atMs: number
  readonly durationMs: number
  readonly fault: Fault
}

export interface ScheduleOptions {
  readonly seed: number
  readonly seconds: number
  readonly faultsPerMinute: number
}

const startMs = 2_000
const durationMaxMs = 8_000
/** `stuck` is taken on and never ends; `storm` is a 429 with Retry-After to many calls. */
const providerModes = [
  '429',
  'storm',
  '500',
  '503',
  'hang',
  'garbage',
  'cut',
  'reset',
  'fail',
  'stuck',
  'missing-output',
] as const
export type ProviderMode = (typeof providerModes)[number]

/**
 * The faults of a run, in order. All kinds are dealt like cards before the first one repeats, so
 * that a long run meets each. Everything has ended by the end of the time.
 */
export function planFaults({ seed, seconds, faultsPerMinute }: ScheduleOptions): PlannedFault[] {
  const random = Random.named(seed, 'faults')
  const endMs = seconds * 1000
  const count = Math.max(1, Math.round((seconds / 60) * faultsPerMinute))
  const gapMs = (endMs - startMs) / count
  let cards: Fault[] = []
  return Array.from({ length: count }, (_, index) => {
    if (cards.length === 0) cards = random.shuffle(allFaults(random))
    const fault = cards.pop() ?? { kind: 'kill', service: 'provider-worker' }
    const atMs = Math.round(startMs + (index + random.next() * 0.8) * gapMs)
    const wantedMs = isMomentary(fault) ? 0 : random.between(1_000, durationMaxMs)
    return { atMs, durationMs: Math.max(0, Math.min(wantedMs, endMs - atMs)), fault }
  })
}

/** `kill provider-worker` or `link s3 cut`: what is counted, and printed with the schedule. */
export function nameOf(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
    case 'terminate':
    case 'pause':
    case 'strike':
      return `${fault.kind} ${fault.service}`
    case 'crash':
    case 'flush':
      return `${fault.kind} ${fault.store}`
    case 'link':
      return `link ${fault.link} ${fault.mode.kind}`
    case 'provider':
      return `provider ${fault.provider} ${fault.mode}`
    case 'payments':
      return `payments ${fault.mode}`
    case 'webhooks':
      return `webhooks ${fault.provider} ${fault.webhook}`
  }
}

function isMomentary({ kind }: Fault): boolean {
  return kind === 'kill' || kind === 'terminate' || kind === 'strike' || kind === 'flush'
}

function allFaults(random: Random): Fault[] {
  const modesOf = (link: LinkName): Fault[] =>
    random
      .shuffle(linkModes(random))
      .slice(0, 3)
      .map(mode => ({ kind: 'link', link, mode }))
  return [
    ...services.map(service => ({ kind: 'kill', service }) as const),
    // What holds leases, claims and slots is hit more often than what only reads.
    { kind: 'kill', service: 'provider-worker' },
    { kind: 'kill', service: 'task-gateway' },
    { kind: 'terminate', service: random.pick(services) },
    { kind: 'terminate', service: 'provider-worker' },
    { kind: 'pause', service: 'provider-worker' },
    { kind: 'pause', service: random.pick(services) },
    { kind: 'crash', store: 'postgres' },
    { kind: 'crash', store: 'redisQueue' },
    { kind: 'crash', store: 'redisCache' },
    { kind: 'crash', store: 's3' },
    { kind: 'strike', service: 'task-gateway' },
    { kind: 'strike', service: random.pick(['asset', 'credit']) },
    { kind: 'flush', store: 'redisQueue' },
    { kind: 'flush', store: 'redisCache' },
    ...links.flatMap(modesOf),
    ...providers.map(provider => {
      return { kind: 'provider', provider, mode: providerModeOf(random, provider) } as const
    }),
    ...paymentModes.map(mode => ({ kind: 'payments', mode }) as const),
    { kind: 'webhooks', provider: 'fal', webhook: random.pick(webhookModes) },
    { kind: 'webhooks', provider: 'replicate', webhook: random.pick(webhookModes) },
  ]
}

function providerModeOf(random: Random, provider: ProviderName): ProviderMode {
  const mode = random.pick(providerModes)
  // Nobody can tell Tripo to stop, so what is stuck there stays so.
  return provider === 'tripo' && mode === 'stuck' ? 'hang' : mode
}

function linkModes(random: Random): LinkMode[] {
  return [
    { kind: 'delay', delayMs: random.between(20, 300), jitterMs: random.between(0, 200) },
    { kind: 'blackhole' },
    { kind: 'reset' },
    { kind: 'refuse' },
    { kind: 'cut', afterBytes: random.between(0, 4_000) },
    { kind: 'slice', sliceBytes: random.between(1, 64) },
  ]
}
