import { spawn } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

export interface Outcome {
  readonly code: number | null
  readonly output: string
}

/** What the stand-in for npx does: note that it ran, and bring Node as the installation would. */
const npx = `#!/bin/sh
echo "$* registry=$pnpm_config_registry prefix=$npm_config_prefix" >> installations.log
[ -f fail.txt ] && cat fail.txt >&2 && exit 1
sleep 0.3
mkdir -p node_modules/node/bin
ln -sf "${process.execPath}" node_modules/node/bin/node
`

const prisma = `
const fs = require('node:fs')
fs.mkdirSync('src/generated', { recursive: true })
fs.writeFileSync('src/generated/client.ts', '')
fs.appendFileSync('../../generations.log', 'generated\\n')
`

const script = `
process.on('SIGTERM', () => process.exit(7))
console.log('handed over', JSON.stringify(process.argv.slice(2)))
if (process.argv[2] === 'wait') setInterval(() => undefined, 1000)
else process.exit(Number(process.argv[2] ?? 0))
`

/** A project as it is right after `git clone`, with npm replaced by a stand-in. */
export function openProject(t: Test) {
  const bootstrap = readFileSync(join(import.meta.dirname, '../bootstrap.mjs'), 'utf8')
  const root = t.testdir({
    bin: { npx },
    'package.json': '{}',
    'pnpm-lock.yaml': 'lockfileVersion: 9',
    'pnpm-workspace.yaml': 'packages: []',
    scripts: { 'bootstrap.mjs': bootstrap, 'test.ts': script },
    services: {},
    libs: {
      database: {
        'prisma.config.ts': '',
        prisma: { schema: { 'a.prisma': '// one' } },
        node_modules: { prisma: { build: { 'index.js': prisma, 'package.json': '{}' } } },
      },
    },
  })
  chmodSync(join(root, 'bin/npx'), 0o755)
  const lines = (file: string) => {
    const text = readFileSync(join(root, file), { encoding: 'utf8', flag: 'a+' })
    return text.split('\n').filter(line => line !== '')
  }
  return { root, lines, start: (parameters: string[], env = {}) => start(root, parameters, env) }
}

function start(root: string, parameters: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, ['scripts/bootstrap.mjs', ...parameters], {
    cwd: root,
    env: { PATH: `${join(root, 'bin')}:/usr/bin:/bin`, HOME: root, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const { promise: ended, resolve } = Promise.withResolvers<Outcome>()
  child.once('close', code => resolve({ code, output }))
  return { child, ended, shown: () => output }
}
