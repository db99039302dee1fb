import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { BlockList, isIPv4 } from 'node:net'
import Type from 'typebox'
import Value from 'typebox/value'
import { matchesPattern } from '../routing.ts'

/** One public key of a trusted key group, as it is registered with CloudFront. */
export interface TrustedKey {
  readonly id: string
  readonly publicKeyPem: string
}

export type KeyGroup = ReadonlyMap<string, KeyObject>

interface SignedRequest {
  /** Scheme, host and path as the viewer sent them, without the query. */
  readonly url: string
  /** The query as it was sent, without the question mark. */
  readonly query: string
  /** The Cookie header, for signed cookies. */
  readonly cookie?: string | undefined
  readonly sourceIp: string
}

/** The codes and sentences of CloudFront's own 403 bodies. */
export const refusals = {
  MissingKey: 'Missing Key-Pair-Id query parameter or cookie value',
  InvalidKey: 'Unknown Key',
  MalformedSignature: 'Could not unencode Signature',
  MalformedPolicy: 'Malformed Policy',
  AccessDenied: 'Access denied',
} as const
export type Refusal = keyof typeof refusals

/** Throws for a key that CloudFront would not register: it takes RSA of 2048 bits and P-256. */
export function openKeyGroup(keys: readonly TrustedKey[]): KeyGroup {
  return new Map(
    keys.map(({ id, publicKeyPem }) => {
      const key = createPublicKey(publicKeyPem)
      const details = key.asymmetricKeyDetails
      const isRsa = key.asymmetricKeyType === 'rsa' && details?.modulusLength === 2048
      const isP256 = key.asymmetricKeyType === 'ec' && details?.namedCurve === 'prime256v1'
      if (!isRsa && !isP256) throw new Error(`The key ${id} is neither RSA 2048 nor ECDSA P-256`)
      return [id, key]
    }),
  )
}

/**
 * Says why CloudFront would refuse the request, or undefined when it would let the viewer in
 * (AWS, "Create a signed URL using a canned policy" and "… using a custom policy"). A URL with any
 * of the parameters of a signature is a signed URL, and then cookies are not looked at (AWS,
 * "Decide to use signed URLs or signed cookies").
 */
export function refusalOf(
  request: SignedRequest,
  keys: KeyGroup,
  nowSeconds: number,
): Refusal | undefined {
  const { signing, rest, isAmbiguous } = readSigning(request)
  if (isAmbiguous) return 'MalformedPolicy'
  const keyId = signing['Key-Pair-Id'] ?? ''
  if (keyId === '') return 'MissingKey'
  const key = keys.get(keyId)
  if (key === undefined) return 'InvalidKey'
  const signature = decodeSafeBase64(signing['Signature'] ?? '')
  if (signature === undefined) return 'MalformedSignature'
  const digest = digestOf(signing['Hash-Algorithm'])
  if (digest === undefined) return 'AccessDenied'

  const url = rest === '' ? request.url : `${request.url}?${rest}`
  const policy = signing['Policy'] === undefined ? cannedPolicy(url, signing) : custom(signing)
  if (policy === undefined) return 'MalformedPolicy'
  if (!verify(digest, policy.text, key, signature)) return 'AccessDenied'
  return isAllowed(policy, { url, sourceIp: request.sourceIp, nowSeconds })
    ? undefined
    : 'AccessDenied'
}

const signingNames = ['Expires', 'Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm'] as const
type Signing = Partial<Record<(typeof signingNames)[number], string>>

interface Presented {
  readonly signing: Signing
  readonly rest: string
  readonly isAmbiguous: boolean
}

function readSigning({ query, cookie }: SignedRequest): Presented {
  const inQuery = splitQuery(query)
  if (Object.keys(inQuery.signing).length > 0 || cookie === undefined) return inQuery
  return { ...readCookies(cookie), rest: inQuery.rest }
}

/** Names are told apart by case (AWS, "Set signed cookies using a canned policy"). */
function readCookies(header: string): Omit<Presented, 'rest'> {
  const signing: Signing = {}
  let isAmbiguous = false
  for (const pair of header.split(';')) {
    const [cookie, value] = splitAt(pair.trim())
    const name = signingNames.find(known => cookie === `CloudFront-${known}`)
    if (name === undefined) continue
    isAmbiguous ||= signing[name] !== undefined
    signing[name] = value
  }
  return { signing, isAmbiguous }
}

function splitAt(pair: string): [string, string] {
  const at = pair.indexOf('=')
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
}

/** Parts the parameters of the signature from those of the URL, which the signature covers. */
function splitQuery(query: string): Presented {
  const signing: Signing = {}
  const rest: string[] = []
  let isAmbiguous = false
  for (const pair of query.split('&')) {
    const name = signingNames.find(known => pair.startsWith(`${known}=`))
    if (name === undefined) {
      if (pair !== '') rest.push(pair)
      continue
    }
    isAmbiguous ||= signing[name] !== undefined
    signing[name] = decodePercent(pair.slice(name.length + 1))
  }
  return { signing, rest: rest.join('&'), isAmbiguous }
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not proper percent-encoding: no signature or policy looks like this, so it is refused.
    return text
  }
}

/** CloudFront's base64 writes - for +, ~ for / and _ for =. Only the canonical form is taken. */
function decodeSafeBase64(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9~_-]+$/.test(text)) return undefined
  const base64 = text.replaceAll('-', '+').replaceAll('~', '/').replaceAll('_', '=')
  const bytes = Buffer.from(base64, 'base64')
  return bytes.length > 0 && bytes.toString('base64') === base64 ? bytes : undefined
}

function digestOf(name: string | undefined): 'sha1' | 'sha256' | undefined {
  if (name === undefined || name === 'SHA1') return 'sha1'
  return name === 'SHA256' ? 'sha256' : undefined
}

const Epoch = Type.Object({ 'AWS:EpochTime': Type.Integer({ minimum: 0 }) })
const Policy = Type.Object({
  Statement: Type.Tuple([
    Type.Object({
      Resource: Type.Optional(Type.String({ minLength: 1 })),
      Condition: Type.Object(
        {
          DateLessThan: Epoch,
          DateGreaterThan: Type.Optional(Epoch),
          IpAddress: Type.Optional(Type.Object({ 'AWS:SourceIp': Type.String() })),
        },
        { additionalProperties: false },
      ),
    }),
  ]),
})

interface ParsedPolicy {
  /** The very bytes that were signed. */
  readonly text: Buffer
  /** Undefined admits every URL, as a policy without a Resource does. */
  readonly resource: string | undefined
  readonly before: number
  readonly after: number | undefined
  readonly from: string | undefined
}

function cannedPolicy(url: string, signing: Signing): ParsedPolicy | undefined {
  const expires = signing['Expires'] ?? ''
  if (!/^\d{1,12}$/.test(expires)) return undefined
  const condition = `{"DateLessThan":{"AWS:EpochTime":${expires}}}`
  const text = `{"Statement":[{"Resource":${JSON.stringify(url)},"Condition":${condition}}]}`
  const before = Number(expires)
  return { text: Buffer.from(text), resource: url, before, after: undefined, from: undefined }
}

function custom(signing: Signing): ParsedPolicy | undefined {
  const text = decodeSafeBase64(signing['Policy'] ?? '')
  const policy = text && parseJson(text)
  if (text === undefined || !Value.Check(Policy, policy)) return undefined
  const [{ Resource: resource, Condition: condition }] = policy.Statement
  return {
    text,
    resource,
    before: condition.DateLessThan['AWS:EpochTime'],
    after: condition.DateGreaterThan?.['AWS:EpochTime'],
    from: condition.IpAddress?.['AWS:SourceIp'],
  }
}

function parseJson(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'))
  } catch {
    // Not JSON, hence not a policy.
    return undefined
  }
}

function isAllowed(
  policy: ParsedPolicy,
  viewer: { url: string; sourceIp: string; nowSeconds: number },
): boolean {
  if (policy.resource !== undefined && !matchesPattern(policy.resource, viewer.url)) return false
  if (viewer.nowSeconds >= policy.before) return false
  if (policy.after !== undefined && viewer.nowSeconds <= policy.after) return false
  return policy.from === undefined || isWithin(viewer.sourceIp, policy.from)
}

function isWithin(address: string, cidr: string): boolean {
  const [network = '', bits = '32'] = cidr.split('/')
  const prefix = Number(bits)
  if (!isIPv4(network) || !(prefix >= 0 && prefix <= 32) || !isIPv4(address)) return false
  const list = new BlockList()
  list.addSubnet(network, prefix, 'ipv4')
  return list.check(address, 'ipv4')
}
