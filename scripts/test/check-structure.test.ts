import t, { type Test } from 'tap'
import { checkStructure } from '../structure/check.ts'
import { lawful, manifest, violations, type StructureCase } from './structure-cases.ts'

type Tree = { [name: string]: Tree | string }

for (const { rule, at, files } of violations) {
  t.test(`${rule} is found in ${excerptOf(files)}`, async t => {
    const place = at ?? `${Object.keys(files)[0]}:1`

    const broken = rulesBroken(t, files)

    t.ok(broken.includes(`${place} ${rule}`), `${place} ${rule} is among ${broken.join(', ')}`)
  })
}

for (const { rule, files } of lawful) {
  t.test(`${rule} is not found in ${excerptOf(files)}`, async t => {
    const broken = rulesBroken(t, files)

    t.notOk(
      broken.some(found => found.endsWith(` ${rule}`)),
      broken.join(', '),
    )
  })
}

t.test('a package out of measure is a warning and does not fail the build', async t => {
  const casts = Array.from({ length: 9 }, (_, index) => `export const a${index} = b as string\n`)

  const { findings } = checkStructure(
    t.testdir(workspaceWith({ 'libs/ledger/src/entries.ts': casts.join('') })),
  )

  const about = findings.find(({ message }) => message.includes('casts'))
  t.match(about, { path: 'libs/ledger', rule: 'package-measure', severity: 'warn' })
})

t.test('generated code is neither measured nor judged', async t => {
  const files = { 'libs/database/src/generated/client.ts': 'export const a: any = b!' }

  const { findings, measures } = checkStructure(t.testdir(workspaceWith(files)))

  t.same(findings, [])
  t.same(measures, [])
})

function rulesBroken(t: Test, files: StructureCase['files']): string[] {
  const { findings } = checkStructure(t.testdir(workspaceWith(files)))
  return findings.map(({ path, line, rule }) => `${path}:${line} ${rule}`)
}

function excerptOf(files: StructureCase['files']): string {
  const [path, text = ''] = Object.entries(files)[0] ?? []
  return `${path}: ${text.slice(0, 70).replace(/\s+/g, ' ')}`
}

/** A lib, a service and the root, so that each file has the package it lies in. */
function workspaceWith(files: StructureCase['files']): Tree {
  const tree: Tree = {}
  const manifests = {
    'package.json': manifest('funmagic'),
    'libs/ledger/package.json': manifest('@funmagic/ledger'),
    'services/asset/package.json': manifest('@funmagic/asset-service'),
  }
  for (const [path, text] of Object.entries({ ...manifests, ...files })) {
    plant(tree, path.split('/'), text)
  }
  return tree
}

function plant(tree: Tree, [first = '', ...rest]: string[], text: string): void {
  const branch = tree[first]
  const below = typeof branch === 'object' ? branch : {}
  tree[first] = rest.length === 0 ? text : below
  if (rest.length > 0) plant(below, rest, text)
}
