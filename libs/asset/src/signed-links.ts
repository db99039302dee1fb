import { createPrivateKey, type KeyObject } from 'node:crypto'
import { getSignedCookies, getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { signedUrlLifeSeconds } from './asset.ts'

// CloudFront's signatures. Two public keys are trusted at any time: the one that signs now, and
// the one before it or after it. The next key takes over at a moment that is configured, so every
// copy of every service changes at once. With RSA keys an address is the same to the byte in all of
// them; ECDSA puts a random number into each signature, so each copy has its own, and keeps it for
// the window (docs/decisions/0019).

export interface SigningKey {
  readonly keyPairId: string
  /** PEM of an RSA-2048 or ECDSA P-256 key. */
  readonly privateKey: string
}

export interface SigningSettings extends SigningKey {
  /** The key that signs from a moment on; the other is trusted until it is taken out. */
  readonly next?: NextKeySettings | undefined
  /** SHA1 unless CloudFront is to be asked for SHA256. */
  readonly hash?: 'SHA1' | 'SHA256' | undefined
  /** How long a signed address stays the same, so that browsers find it in their cache (TR3). */
  readonly windowSeconds: number
}

/** All of it, or nothing. */
export interface NextKeySettings {
  readonly keyPairId?: string | undefined
  readonly privateKey?: string | undefined
  /** ISO 8601 with a zone. */
  readonly activeFrom?: string | undefined
}

export interface SignedLink {
  readonly url: string
  readonly expiresAt: Date
}

/** What a browser sends along to fetch anything in one folder. */
export interface SignedFolder {
  /** Names and values, as CloudFront knows them. */
  readonly cookies: FolderCookies
  readonly expiresAt: Date
}

interface Key {
  readonly keyPairId: string
  readonly privateKey: KeyObject
  readonly activeFromMs: number
}

const signaturesKeptMax = 30_000

/**
 * The SDK's types admit a PEM only, but its code hands the key to node:crypto as it is, which
 * takes a parsed one: 0.8 ms instead of 2.6 ms for RSA-2048. test/resolve-url.test.ts guards it.
 */
interface CloudFrontSigner {
  getSignedUrl(input: SignInput): string
  getSignedCookies(input: SignInput): FolderCookies
}
/** With a policy of our own, CloudFront-Expires is not among them. */
export interface FolderCookies {
  readonly 'CloudFront-Policy'?: string
  readonly 'CloudFront-Signature': string
  readonly 'CloudFront-Key-Pair-Id': string
  readonly 'CloudFront-Hash-Algorithm'?: string
}
interface SignInput {
  readonly url?: string
  readonly keyPairId: string
  readonly privateKey: KeyObject | string | Buffer
  readonly algorithm?: 'SHA1' | 'SHA256'
  readonly dateLessThan?: string | number | Date
  readonly policy?: string
}
const cloudFront: CloudFrontSigner = { getSignedUrl, getSignedCookies }

/**
 * Signs addresses with a canned policy: one object, one end. The end is rounded down to a window,
 * so that within it an address is the same to the byte: browsers find it in their cache, and it is
 * signed once, because the last signatures are kept.
 */
export class LinkSigner {
  readonly origin: string
  readonly #windowSeconds: number
  readonly #algorithm: 'SHA1' | 'SHA256'
  /** The newest first. */
  readonly #keys: readonly Key[]
  readonly #now: () => number
  readonly #signed = new Map<string, string>()

  /** Throws RangeError when a key or the window is of no use. */
  constructor(origin: string, settings: SigningSettings, now: () => number) {
    if (settings.windowSeconds >= signedUrlLifeSeconds) {
      throw new RangeError('the window of signed addresses must be shorter than their life')
    }
    this.origin = origin
    this.#windowSeconds = Math.max(settings.windowSeconds, 1)
    this.#algorithm = settings.hash ?? 'SHA1'
    this.#keys = readKeys(settings)
    this.#now = now
  }

  sign(key: string): SignedLink {
    const nowSeconds = Math.floor(this.#now() / 1000)
    const start = nowSeconds - (nowSeconds % this.#windowSeconds)
    // ISO with a Z: the SDK reads a date without a zone in local time (reliability §0, 15).
    const expiresAt = new Date((start + signedUrlLifeSeconds) * 1000)
    const name = `${expiresAt.getTime()}/${key}`
    const url = this.#signed.get(name) ?? this.#make(key, start, expiresAt)
    this.#keep({ name, url })
    return { url, expiresAt }
  }

  /** Everything under the folder, for as long as an address lives. It ends with a slash. */
  signFolder(folder: string): SignedFolder {
    const end = Math.floor(this.#now() / 1000) + signedUrlLifeSeconds
    const policy = JSON.stringify({
      Statement: [
        {
          Resource: `${this.origin}/${folder}*`,
          Condition: { DateLessThan: { 'AWS:EpochTime': end } },
        },
      ],
    })
    const cookies = cloudFront.getSignedCookies({ ...this.#termsAt(this.#now()), policy })
    return { cookies, expiresAt: new Date(end * 1000) }
  }

  #make(key: string, startSeconds: number, expiresAt: Date): string {
    return cloudFront.getSignedUrl({
      // By the start of the window: a key that becomes active within it waits for the next one.
      ...this.#termsAt(startSeconds * 1000),
      url: `${this.origin}/${key}`,
      dateLessThan: expiresAt.toISOString(),
    })
  }

  #termsAt(momentMs: number) {
    const active = this.#keys.find(({ activeFromMs }) => activeFromMs <= momentMs)
    if (active === undefined) throw new RangeError('no key signs at this moment')
    const { keyPairId, privateKey } = active
    return { keyPairId, privateKey, algorithm: this.#algorithm }
  }

  /** The least recently used goes first. */
  #keep({ name, url }: { name: string; url: string }): void {
    this.#signed.delete(name)
    this.#signed.set(name, url)
    if (this.#signed.size <= signaturesKeptMax) return
    const [oldest] = this.#signed.keys()
    if (oldest !== undefined) this.#signed.delete(oldest)
  }
}

function readKeys(settings: SigningSettings): Key[] {
  const current = { ...settings, activeFromMs: -Infinity }
  const next = readNextKey(settings.next)
  return [...(next === undefined ? [] : [next]), current].map(
    ({ keyPairId, privateKey, activeFromMs }) => ({
      keyPairId,
      // In a .env file the line ends of a PEM are written as \n.
      privateKey: createPrivateKey(privateKey.replaceAll('\\n', '\n')),
      activeFromMs,
    }),
  )
}

function readNextKey(
  next: NextKeySettings = {},
): (SigningKey & { activeFromMs: number }) | undefined {
  const { keyPairId, privateKey, activeFrom } = next
  if ([keyPairId, privateKey, activeFrom].every(value => value === undefined)) return undefined
  if (keyPairId === undefined || privateKey === undefined || activeFrom === undefined) {
    throw new RangeError('the next signing key needs its id, its PEM and the moment it begins')
  }
  const activeFromMs = /(Z|[+-]\d\d:\d\d)$/.test(activeFrom) ? Date.parse(activeFrom) : NaN
  if (Number.isNaN(activeFromMs)) {
    throw new RangeError(`the next signing key begins at ${activeFrom}, which is no ISO 8601 time`)
  }
  return { keyPairId, privateKey, activeFromMs }
}
