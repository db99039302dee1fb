import Type, { type Static } from 'typebox'

/**
 * How a call can be made to go wrong. The first group is about one HTTP exchange: whatever the
 * operation is, it is answered like this. With cut (in mid-reply) and reset (before it) the work
 * is taken on and the caller does not learn of it. The second group is about accepted work.
 */
const exchangeModes = [
  '401',
  '429',
  '429-no-retry-after',
  '500',
  '503',
  'hang',
  'garbage',
  'huge',
  'cut',
  'reset',
] as const
const workModes = [
  'ok',
  'fail',
  'moderated',
  'stuck',
  'invalid-output',
  'missing-output',
  'missing-preview',
  'redirect-output',
  'link-local-output',
] as const
/** How the caller is told of the end of accepted work, where it asked to be. */
const webhookModes = [
  'once',
  'twice',
  'before-reply',
  'out-of-order',
  'bad-signature',
  'stale',
  'never',
] as const
export type WebhookMode = (typeof webhookModes)[number]

export const providers = ['openai', 'replicate', 'fal', 'tripo', 'google'] as const
export const operations = ['submit', 'status', 'result', 'cancel', 'upload', 'download'] as const

export type ExchangeMode = (typeof exchangeModes)[number]
export type WorkMode = (typeof workModes)[number]
export type Mode = ExchangeMode | WorkMode
export type Provider = (typeof providers)[number]
export type Operation = (typeof operations)[number]

const modes = [...exchangeModes, ...workModes] as const

/** What the next calls that match are to do; the first script that matches is used up first. */
export const Script = Type.Object(
  {
    provider: Type.Enum(providers),
    mode: Type.Enum(modes),
    operation: Type.Optional(Type.Enum(operations)),
    times: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    match: Type.Optional(
      Type.Object(
        { model: Type.Optional(Type.String()), contains: Type.Optional(Type.String()) },
        { additionalProperties: false },
      ),
    ),
    retryAfterSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 3600 })),
    latencyMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_600_000 })),
    webhook: Type.Optional(Type.Enum(webhookModes)),
  },
  { additionalProperties: false },
)
export type Script = Static<typeof Script>

interface Attempt {
  readonly provider: Provider
  readonly operation: Operation
  readonly model?: string
  /** The words of the input, in which `match.contains` and a trigger are looked for. */
  readonly text?: string
}

export interface Part {
  readonly mode: Mode
  readonly retryAfterSeconds: number
  readonly latencyMs: number | undefined
  readonly webhook: WebhookMode
}

const scriptsMax = 1_000
const plainPart: Part = {
  mode: 'ok',
  retryAfterSeconds: 1,
  latencyMs: undefined,
  webhook: 'once',
}

/** The parts that a test or a person has handed out, in order. */
export class Scripts {
  readonly #queue: { script: Script; left: number }[] = []

  add(script: Script): void {
    if (this.#queue.length >= scriptsMax) throw new Error('There are too many scripts already')
    this.#queue.push({ script, left: script.times ?? 1 })
  }

  clear(): void {
    this.#queue.length = 0
  }

  /** What this call is to do. Words in the input, such as simulate:429, win over scripts. */
  take(attempt: Attempt): Part {
    const trigger = attempt.operation === 'submit' ? triggerIn(attempt.text ?? '') : undefined
    if (trigger !== undefined) return { ...plainPart, mode: trigger }
    const index = this.#queue.findIndex(entry => applies(entry.script, attempt))
    const entry = this.#queue[index]
    if (entry === undefined) return plainPart
    entry.left--
    if (entry.left === 0) this.#queue.splice(index, 1)
    const { mode, retryAfterSeconds = 1, latencyMs, webhook = 'once' } = entry.script
    return { mode, retryAfterSeconds, latencyMs, webhook }
  }
}

function applies({ provider, operation = 'submit', match }: Script, attempt: Attempt): boolean {
  if (provider !== attempt.provider || operation !== attempt.operation) return false
  if (match?.model !== undefined && match.model !== attempt.model) return false
  return match?.contains === undefined || (attempt.text ?? '').includes(match.contains)
}

function triggerIn(text: string): Mode | undefined {
  const word = /\bsimulate:([a-z0-9-]+)/.exec(text)?.[1]
  return modes.find(mode => mode === word)
}

/** All words of an input but not its pictures. */
export function wordsOf(input: unknown): string {
  if (typeof input === 'string') return input.startsWith('data:') ? '' : input
  if (typeof input !== 'object' || input === null) return ''
  return Object.values(input).map(wordsOf).join('\n')
}

export function isExchangeMode(mode: Mode): mode is ExchangeMode {
  return exchangeModes.some(known => known === mode)
}

/** How the work of an accepted call goes: well, unless the mode is about the work. */
export function workModeOf(mode: Mode): WorkMode {
  return workModes.find(known => known === mode) ?? 'ok'
}
