import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const documents = globSync(['*.md', 'docs/**/*.md', '{libs,services}/*/README.md'], { cwd: root })

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

t.test('every path that a document names exists', async t => {
  const pathPattern = /`((?:services|libs|scripts|docs|terraform|docker)\/[\w./{}*-]+)`/g
  for (const document of documents) {
    for (const [, path = ''] of read(document).matchAll(pathPattern)) {
      const isPattern = /[{*]/.test(path)
      const isThere = isPattern ? true : existsSync(join(root, path))

      t.ok(isThere, `${document} names ${path}`)
    }
  }
})

t.test('every link to a file leads somewhere', async t => {
  for (const document of documents) {
    for (const [, target = ''] of read(document).matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)) {
      t.ok(existsSync(join(root, dirname(document), target)), `${document} links to ${target}`)
    }
  }
})

t.test('every npm command that a document names is a script', async t => {
  const { scripts } = JSON.parse(read('package.json'))
  const pattern = /`npm (?:run )?(start|test|[a-z]+:?[a-z]*)[ `]/g
  for (const document of documents) {
    for (const [, name = ''] of read(document).matchAll(pattern)) {
      t.ok(name in scripts, `${document} names npm run ${name}`)
    }
  }
})

t.test('documents keep to their length and their headings', async t => {
  const rows = [
    { glob: 'README.md', linesMax: 150, headings: [] },
    { glob: 'ARCHITECTURE.md', linesMax: 250, headings: ['## Glossary', '## Invariants'] },
    { glob: 'libs/*/README.md', linesMax: 30, headings: [] },
    {
      glob: 'services/*/README.md',
      linesMax: 60,
      headings: ['## Purpose', '## Owns', '## Configuration', '## When things fail'],
    },
    {
      glob: 'docs/decisions/*.md',
      linesMax: 60,
      headings: ['## Context', '## Decision', '## Consequences', '## Rejected'],
    },
  ]
  for (const { glob, linesMax, headings } of rows) {
    const paths = globSync(glob, { cwd: root })
    t.ok(paths.length > 0, `there is ${glob}`)
    for (const path of paths) {
      const text = read(path).replace(/<!-- config:start -->[^]*<!-- config:end -->/, '')

      t.ok(text.split('\n').length <= linesMax + 1, `${path} has at most ${linesMax} lines`)
      for (const heading of headings) t.ok(text.includes(`${heading}\n`), `${path} has ${heading}`)
    }
  }
})
