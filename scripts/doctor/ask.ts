export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

const textCharsMax = 2_000_000

/** One GET as a stranger sends it: no redirect is followed and no cookie kept. */
export async function ask(
  url: string,
  options: { signal: AbortSignal; headers?: Readonly<Record<string, string>> },
): Promise<Answer> {
  const { signal, headers = {} } = options
  const response = await fetch(url, { signal, redirect: 'manual', headers })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text: text.slice(0, textCharsMax) }
}

/** The code in an error body of S3 or CloudFront. */
export function xmlCodeOf({ text }: Answer): string | undefined {
  return /<Code>(\w+)<\/Code>/.exec(text)?.[1]
}
