import fc from 'fast-check'
import t from 'tap'
import { addUser, openAssetApp, send, paintPng, upload } from './asset-app.ts'

// Ten thousand requests made of what the routes say they take and of what nobody should send.
const requestsCount = 10_000
const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2_147_483_647)

t.setTimeout(300_000)

interface Operation {
  readonly method: string
  readonly path: string
  /** What the body is said to have. */
  readonly fields: readonly string[]
}

const texts = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '',
    '%',
    '_',
    '../..',
    "' OR 1=1 --",
    'a'.repeat(5_000),
    '٣',
    '‮gnp',
    '😀',
    '1e400',
  ),
)
const values = fc.oneof(
  { depthSize: 'small' },
  texts,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.array(texts, { maxLength: 5 }),
  fc.jsonValue({ maxDepth: 3 }),
)

t.test('no generated request is answered by 5xx or shows how things are made', async t => {
  const assetApp = await openAssetApp(t)
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const ids = [
    (await upload(assetApp, user)).id,
    (await upload(assetApp, other)).id,
    (await send(assetApp, user, await paintPng())).uploadId,
    (await send(assetApp, other, await paintPng())).uploadId,
  ]
  const document = (await assetApp.app.inject('/openapi.json')).json()
  const request = requestsFor(operationsOf(document), ids)
  const seen = new Map<number, number>()
  t.comment(`fast-check seed ${seed}`)

  await fc.assert(
    fc.asyncProperty(request, async ({ method, url, payload, contentType }) => {
      const response = await assetApp.app.inject({
        // The methods are those of the document.
        method: method as 'POST',
        url,
        headers: { cookie: user.cookie, 'content-type': contentType, 'idempotency-key': 'a b' },
        ...(method === 'GET' ? {} : { payload }),
      })
      const { statusCode, body } = response
      seen.set(statusCode, (seen.get(statusCode) ?? 0) + 1)
      const isOurs = statusCode < 500 && !/node_modules|SELECT |prisma|at \w+ \(/.test(body)
      if (!isOurs) throw new Error(`${method} ${url} ${payload}: ${statusCode} ${body}`)
    }),
    { seed, numRuns: requestsCount },
  )

  t.comment(JSON.stringify(Object.fromEntries(seen)))
  t.ok((seen.get(400) ?? 0) > 1_000, 'most are refused as they are')
  t.ok((seen.get(404) ?? 0) > 100, 'and some for what they name')
})

/** What the OpenAPI document says; its shape is that of the library which writes it. */
function operationsOf(document: {
  paths: Record<string, Record<string, { requestBody?: { content: Record<string, Body> } }>>
}): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { requestBody }]) => {
      const content = requestBody?.content['application/json']
      return {
        method: method.toUpperCase(),
        path,
        fields: Object.keys(content?.schema.properties ?? {}),
      }
    }),
  )
}

interface Body {
  readonly schema: { readonly properties?: Record<string, unknown> }
}

function requestsFor(operations: readonly Operation[], ids: readonly string[]) {
  const id = fc.oneof(fc.constantFrom(...ids), texts)
  return fc.constantFrom(...operations).chain(({ method, path, fields }) =>
    fc.record({
      method: fc.constant(method),
      url: fc
        .tuple(fc.array(id, { minLength: 4, maxLength: 4 }), queries)
        .map(([names, query]) => fill(path, names) + query),
      payload: fc.oneof(
        { arbitrary: bodies(fields, id), weight: 6 },
        { arbitrary: fc.json(), weight: 1 },
        { arbitrary: texts, weight: 1 },
      ),
      contentType: fc.oneof(
        { arbitrary: fc.constant('application/json'), weight: 9 },
        {
          arbitrary: fc.constantFrom(
            'text/plain',
            'application/json;',
            ' application/json\t;x',
            '',
          ),
          weight: 1,
        },
      ),
    }),
  )
}

function bodies(fields: readonly string[], id: fc.Arbitrary<string>) {
  const value = fc.oneof(values, id, fc.array(id, { maxLength: 4 }))
  const known = fc.record(Object.fromEntries(fields.map(field => [field, value])), {
    requiredKeys: [],
  })
  const unknown = fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), values, {
    maxKeys: 2,
  })
  return fc.tuple(known, unknown).map(([a, b]) => JSON.stringify({ ...a, ...b }))
}

const queries = fc
  .dictionary(
    fc.constantFrom('limit', 'cursor', 'module', 'tag', 'search', 'ids', 'kind', 'a', 'visibility'),
    texts,
    { maxKeys: 3 },
  )
  .map(query => `?${new URLSearchParams(query)}`)

function fill(path: string, names: readonly string[]): string {
  let next = 0
  return path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(names[next++]?.toWellFormed() ?? ''))
}
