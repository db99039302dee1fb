import { buckets } from '../local/object-store-plan.ts'
import type { Addresses } from '../local/stack-file.ts'

/** Where the parts of an installation are, as a stranger can know it. */
export interface Installation {
  /** What the first line of the report calls it. */
  readonly title: string
  readonly edge: string
  readonly cdn: string
  readonly privateCdn: string
  /** Addresses of the buckets, by what they are for. */
  readonly buckets: Readonly<Record<'public' | 'private' | 'admin', string>>
  /** Addresses of the services themselves; only a local installation shows them. */
  readonly services: Readonly<Record<string, string>> | undefined
  /** False where nobody is steered to beta: there is none, or the edge asks for signed values. */
  readonly hasBeta: boolean
  /** A key in the public bucket that the CDN delivers. */
  readonly publicObject: string | undefined
  readonly isLocal: boolean
}

export interface LiveOptions {
  readonly domain: string
  readonly edge?: string | undefined
  readonly cdn?: string | undefined
  readonly privateCdn?: string | undefined
  /** The prefix of every name in AWS, such as funmagic-staging. */
  readonly name?: string | undefined
  readonly region?: string | undefined
  readonly object?: string | undefined
  readonly hasBeta: boolean
}

/** The host names of terraform/modules/edge and the bucket names of terraform/modules/data. */
export function liveInstallation(options: LiveOptions): Installation {
  const { domain, name = 'funmagic-production', region = 'us-east-2' } = options
  const bucket = (role: string) => `https://${name}-${role}.s3.${region}.amazonaws.com`
  return {
    title: domain,
    edge: options.edge ?? `https://api.${domain}`,
    cdn: options.cdn ?? `https://cdn.${domain}`,
    privateCdn: options.privateCdn ?? `https://private-cdn.${domain}`,
    buckets: { public: bucket('public'), private: bucket('private'), admin: bucket('admin') },
    services: undefined,
    hasBeta: options.hasBeta,
    publicObject: options.object,
    isLocal: false,
  }
}

/** What `npm start` has written into .local/stack.json. */
export function localInstallation(stack: Addresses): Installation {
  const bucket = (name: string) => `${stack.s3.endpoint}/${name}`
  return {
    title: 'the local installation',
    edge: stack.edge,
    cdn: stack.cdn,
    privateCdn: stack.privateCdn,
    buckets: {
      public: bucket(buckets.S3_BUCKET_PUBLIC),
      private: bucket(buckets.S3_BUCKET_PRIVATE),
      admin: bucket(buckets.S3_BUCKET_ADMIN),
    },
    services: stack.services,
    hasBeta: true,
    publicObject: undefined,
    isLocal: true,
  }
}
