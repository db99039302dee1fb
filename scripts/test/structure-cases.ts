/** Files that break one rule each, or come close to it and keep it. */
export interface StructureCase {
  readonly rule: string
  /** Where the finding stands; the first line of the first file unless said. */
  readonly at?: string
  readonly files: Readonly<Record<string, string>>
}

export function manifest(name: string, more: object = {}): string {
  return JSON.stringify({ name, ...more })
}

const src = 'libs/ledger/src/entries.ts'
const service = 'services/asset/src/app.ts'
const test = 'libs/ledger/test/entries.test.ts'
const schema = 'libs/database/prisma/schema/credit.prisma'
const lines = (count: number) => '\n'.repeat(count - 1)
const distinct = (count: number) =>
  Array.from({ length: count }, (_, index) => `  const value${index} = [${index}, 'v${index}']\n`)
const testOf = (body: string, title = "'holds'") =>
  `import t from 'tap'\nt.test(${title}, async t => {\n${body}\n})\n`
const timers = "import { setTimeout as wait } from 'node:timers/promises'"
const repeated = distinct(12).join('')

export const violations: readonly StructureCase[] = [
  {
    rule: 'asset-address',
    files: { [service]: 'export const f = (a: Asset) => `${config.cdnUrl}/${a.storageKey}`' },
  },
  {
    rule: 'asset-address',
    files: { [service]: "export const f = (key: string) => config.privateCdnUrl + '/' + key" },
  },
  {
    rule: 'asset-address',
    files: { [service]: 'export const f = (key: string) => new URL(key, cdnUrl)' },
  },
  {
    rule: 'asset-address',
    files: { [service]: 'export const f = (key: string) => `https://cdn.funmagic.ai/${key}`' },
  },
  {
    rule: 'asset-address',
    files: { [service]: 'export const f = () => store.presignDownload(place, terms)' },
  },
  {
    rule: 'asset-address',
    files: { 'libs/asset/src/catalog.ts': "import '@aws-sdk/cloudfront-signer'" },
  },
  { rule: 'syntax', files: { [src]: 'export const = 1' } },
  { rule: 'file-length', files: { [src]: `export const one = 1\n${lines(401)}` } },
  {
    rule: 'file-length',
    at: 'services/asset/src/App.vue:1',
    files: { 'services/asset/src/App.vue': `<template></template>\n${lines(301)}` },
  },
  { rule: 'function-length', files: { [src]: `export function long() {${lines(62)}}` } },
  {
    rule: 'parameters',
    files: { [src]: 'export function f(a: A, b: B, c: C, d: D, e: E) {}' },
  },
  {
    rule: 'adjacent-parameters',
    files: { [src]: 'export function f(from: string, to: string) {}' },
  },
  {
    rule: 'dependency-fields',
    files: {
      [src]: `export interface AppDeps { ${'abcdefghi'.split('').join(': 1; ')}: 1 }`,
    },
  },
  { rule: 'line-width', files: { [src]: `export const text = '${'x'.repeat(90)}'` } },
  { rule: 'import-table', files: { [src]: "import '@funmagic/runtime/config'" } },
  { rule: 'import-table', files: { [src]: "import type { Task } from '@funmagic/task/task'" } },
  { rule: 'import-table', files: { [src]: "import '../../task/src/outbox.ts'" } },
  { rule: 'import-table', files: { [service]: "import '@funmagic/simulators/alb'" } },
  { rule: 'import-table', files: { [service]: "const { a } = await import('../../auth/a.ts')" } },
  {
    rule: 'import-table',
    at: 'libs/contract/src/ids.ts:1',
    files: { 'libs/contract/src/ids.ts': "import { randomUUID } from 'node:crypto'" },
  },
  {
    rule: 'import-table',
    at: 'services/web/src/main.ts:1',
    files: { 'services/web/src/main.ts': "import '@funmagic/runtime/config'" },
  },
  {
    rule: 'import-table',
    at: 'libs/ledger/package.json:1',
    files: {
      'libs/ledger/package.json': manifest('@funmagic/ledger', {
        dependencies: { '@funmagic/runtime': 'workspace:*' },
      }),
    },
  },
  { rule: 'testing-export', files: { [service]: "import '@funmagic/database/testing'" } },
  { rule: 'vendor-door', files: { [service]: "import { Queue } from 'bullmq'" } },
  { rule: 'vendor-door', files: { [service]: "import '@aws-sdk/client-s3'" } },
  { rule: 'vendor-door', files: { [src]: "import fastify from 'fastify'" } },
  {
    rule: 'import-cycle',
    files: {
      [src]: "import './proof.ts'",
      'libs/ledger/src/proof.ts': "import type { Entry } from './entries.ts'",
    },
  },
  { rule: 'drawer-name', files: { 'libs/ledger/src/date-utils.ts': 'export const a = 1' } },
  { rule: 'drawer-name', files: { 'libs/ledger/src/common/dates.ts': 'export const a = 1' } },
  { rule: 'drawer-name', files: { 'libs/ledger/src/index.ts': 'export const a = 1' } },
  { rule: 'drawer-name', files: { 'libs/ledger/src/credit-service.ts': 'export const a = 1' } },
  { rule: 'file-name', files: { 'libs/ledger/src/creditEntries.ts': 'export const a = 1' } },
  { rule: 'barrel', files: { [src]: "export * from './proof.ts'\nexport { a } from './a.ts'" } },
  { rule: 'default-export', files: { [src]: 'export default function entries() {}' } },
  { rule: 'arrow-export', files: { [src]: 'export const post = () => 1' } },
  {
    rule: 'package-scripts',
    at: 'package.json:1',
    files: {
      'package.json': manifest('funmagic', {
        scripts: Object.fromEntries('abcdefghijklm'.split('').map(name => [name, 'x'])),
      }),
    },
  },
  { rule: 'any', files: { [src]: 'export function f(value: any) {}' } },
  { rule: 'non-null', files: { [src]: 'export const f = list[0]!' } },
  { rule: 'cast', files: { [src]: 'export const f = value as unknown as Entry' } },
  { rule: 'ts-ignore', files: { [src]: '// @ts-ignore\nexport const f = 1' } },
  {
    rule: 'duplicate',
    at: 'libs/ledger/src/proof.ts:2',
    files: {
      [src]: `export function one() {\n${repeated}}`,
      'libs/ledger/src/proof.ts': `export function two() {\n${repeated}}`,
    },
  },
  { rule: 'environment', files: { [src]: "export const f = () => process.env['A']" } },
  { rule: 'environment', files: { [src]: 'export const f = () => { const { env } = process }' } },
  { rule: 'environment', files: { [src]: "import { env } from 'node:process'" } },
  { rule: 'top-level-effect', files: { [src]: "open('a')" } },
  { rule: 'top-level-effect', files: { [src]: "export const text = await read('a')" } },
  {
    rule: 'forwarding',
    files: {
      [src]: `export class Layer {
        a(x: X) { return this.inner.a(x) }
        b(x: X) { return this.inner.b(x) }
        async c(x: X) { await this.inner.c(x) }
      }`,
    },
  },
  {
    rule: 'table-owner',
    files: {
      [service]: 'export const f = sql`SELECT 1 FROM credits WHERE id = ${id}`',
      [schema]: '// Written by libs/ledger only.\nmodel Credits {\n  @@map("credits")\n}',
    },
  },
  {
    rule: 'table-owner',
    files: {
      [service]: 'export const f = () => database.prisma.credits.findMany()',
      [schema]: '// Written by libs/ledger only.\nmodel Credits {\n  @@map("credits")\n}',
    },
  },
  {
    rule: 'table-owner',
    at: `${schema}:1`,
    files: { [schema]: 'model Credits {\n  @@map("credits")\n}' },
  },
  { rule: 'unbounded-loop', files: { [src]: 'export function f() { while (true) step() }' } },
  { rule: 'unbounded-loop', files: { [src]: 'export function f() { for (;;) { step() } }' } },
  {
    rule: 'unbounded-promises',
    files: { [src]: 'export const f = (all: A[]) => Promise.all(all.map(step))' },
  },
  {
    rule: 'swallowed-error',
    files: { [src]: 'export function f() { try { step() } catch { return } }' },
  },
  { rule: 'swallowed-error', files: { [src]: 'export const f = () => step().catch(() => {})' } },
  {
    rule: 'lost-cause',
    files: {
      [src]: "export function f() { try { g() } catch (error) { throw new Error('no') } }",
    },
  },
  {
    rule: 'float-amount',
    files: { [src]: 'export const half = (credits: number) => credits / 2' },
  },
  { rule: 'float-amount', files: { [src]: 'export const f = () => 1 + priceCredits * 1.5' } },
  { rule: 'banner', files: { [src]: '// ==== entries ====\nexport const a = 1' } },
  { rule: 'todo', files: { [src]: '// TODO make it true\nexport const a = 1' } },
  { rule: 'emoji', files: { [src]: '// Fast 🚀\nexport const a = 1' } },
  { rule: 'history', files: { [src]: '// This was previously two.\nexport const a = 1' } },
  { rule: 'praise', files: { [src]: '// A robust constant.\nexport const a = 1' } },
  { rule: 'commented-code', files: { [src]: '// const a = 2\nexport const a = 1' } },
  { rule: 'no-assertion', at: `${test}:2`, files: { [test]: testOf('await post()') } },
  {
    rule: 'no-assertion',
    at: `${test}:2`,
    files: { [test]: testOf('t.teardown(() => close())\nconst app = await createApp(t)') },
  },
  { rule: 'test-title', at: `${test}:2`, files: { [test]: testOf('t.ok(1)', "'should work'") } },
  { rule: 'test-length', at: `${test}:2`, files: { [test]: testOf(`t.ok(1)${lines(41)}`) } },
  {
    rule: 'test-only',
    at: `${test}:2`,
    files: { [test]: testOf('t.ok(1)', "'a', { only: true }") },
  },
  {
    rule: 'test-skip',
    at: `${test}:2`,
    files: { [test]: testOf('t.ok(1)', "'a', { skip: true }") },
  },
  {
    rule: 'own-mock',
    at: `${test}:3`,
    files: { [test]: testOf("t.ok(await t.mockImport('../src/entries.ts', {}))") },
  },
  {
    rule: 'sleep',
    at: `${test}:3`,
    files: { [test]: testOf('await new Promise(resolve => setTimeout(resolve, 100))\nt.ok(1)') },
  },
  {
    rule: 'sleep',
    at: `${test}:4`,
    files: {
      [test]: `${timers}\n${testOf('await wait(9)\nt.ok(1)')}`,
    },
  },
]

/** The nearest lawful neighbours of the violations: none of these is a finding of the rule. */
export const lawful: readonly StructureCase[] = [
  {
    rule: 'asset-address',
    files: {
      'libs/asset/src/resolve-url.ts': 'export const f = (key: string) => `${cdnUrl}/${key}`',
    },
  },
  {
    rule: 'asset-address',
    files: { [service]: 'export const links = createAssetLinks({ cdnUrl: config.cdnUrl })' },
  },
  { rule: 'file-length', files: { [src]: `export const one = 1\n${lines(400)}` } },
  {
    rule: 'line-width',
    files: { [src]: `// https://example.com/${'x'.repeat(90)}\nexport const a = 1` },
  },
  { rule: 'import-table', files: { [test]: "import '@funmagic/simulators/alb'" } },
  { rule: 'import-table', files: { [test]: "import '@funmagic/session/testing'" } },
  { rule: 'import-table', files: { [service]: "import '@funmagic/ledger/entries'" } },
  { rule: 'testing-export', files: { [test]: "import '@funmagic/database/testing'" } },
  { rule: 'vendor-door', files: { 'libs/task/src/queue.ts': "import { Queue } from 'bullmq'" } },
  { rule: 'barrel', files: { [src]: "export { a } from './a.ts'\nexport const b = 1" } },
  { rule: 'drawer-name', files: { 'libs/ledger/src/media-types.ts': 'export const a = 1' } },
  {
    rule: 'arrow-export',
    files: { [src]: 'export const post: RoutePlugin<Deps> = async () => 1' },
  },
  { rule: 'cast', files: { [src]: "export const kinds = ['a', 'b'] as const" } },
  { rule: 'environment', files: { 'services/asset/src/main.ts': 'run(process.env)' } },
  { rule: 'top-level-effect', files: { 'services/asset/src/main.ts': 'await run(process.env)' } },
  {
    rule: 'table-owner',
    files: {
      [src]: 'export const f = sql`SELECT 1 FROM credits`',
      [schema]: '// Written by libs/ledger only.\nmodel Credits {\n  @@map("credits")\n}',
    },
  },
  {
    rule: 'unbounded-loop',
    files: {
      [src]: 'export function f() {\n  // Ends with the last page.\n  while (true) step()\n}',
    },
  },
  {
    rule: 'unbounded-promises',
    files: { [src]: '// Two at most.\nexport const f = (all: A[]) => Promise.all(all.map(step))' },
  },
  {
    rule: 'unbounded-promises',
    files: { [src]: 'export const f = () => Promise.all([a(), b()])' },
  },
  {
    rule: 'swallowed-error',
    files: { [src]: 'export function f() {\n  try { g() } catch {\n    // Gone already.\n  }\n}' },
  },
  {
    rule: 'lost-cause',
    files: {
      [src]:
        "export function f() { try { g() } catch (cause) { throw new Error('no', { cause }) } }",
    },
  },
  { rule: 'float-amount', files: { [src]: 'export const f = () => Math.ceil(credits / 2)' } },
  { rule: 'todo', files: { [src]: '// TODO(#12): make it true\nexport const a = 1' } },
  { rule: 'no-assertion', files: { [test]: testOf('await throwsProblem(t, post(), 409)') } },
  { rule: 'no-assertion', files: { [test]: testOf('await t.rejects(post())') } },
  { rule: 'test-skip', files: { [test]: testOf('t.ok(1)', "'a', { skip: 'needs root' }") } },
  {
    rule: 'sleep',
    files: { [test]: `${timers}\n${testOf('while (!isDone()) await wait(9)\nt.ok(1)')}` },
  },
]
