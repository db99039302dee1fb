import { failAt, warnAt, type Finding } from './findings.ts'
import { lineCount } from './measures.ts'
import { lineAt } from './syntax.ts'
import type { SourceFile, Workspace } from './workspace.ts'

const tokensMin = 60
const linesMin = 8
const sharePercentMax = 1
const token = /[\p{L}_$][\p{L}\d_$]*|\d[\w.]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|[^\s]/gu

interface Tokens {
  readonly file: SourceFile
  readonly texts: readonly string[]
  readonly lines: readonly number[]
}

interface Start {
  readonly tokens: Tokens
  readonly index: number
}

/** Smell 7: a block of 60 tokens on 8 lines that stands twice; imports and comments don't count. */
export function checkDuplicates(workspace: Workspace): Finding[] {
  const seen = new Map<string, Start>()
  const findings: Finding[] = []
  let duplicatedLines = 0
  for (const file of workspace.files) {
    for (const block of blocksOf(tokensOf(file), seen)) {
      const message = `${block.lines} lines repeat ${block.original}`
      findings.push({ ...warnAt(file.path, 'duplicate', message), line: block.line })
      duplicatedLines += block.lines
    }
  }
  const lines = workspace.files.reduce((total, file) => total + lineCount(file), 0)
  const percent = (100 * duplicatedLines) / Math.max(lines, 1)
  if (percent <= sharePercentMax) return findings
  const message = `${percent.toFixed(1)} % of all lines stand twice, at most ${sharePercentMax} %`
  return [...findings, failAt('.', 'duplicate', message)]
}

function tokensOf(file: SourceFile): Tokens {
  const imports = file.program.body.filter(({ type }) => type === 'ImportDeclaration')
  const blank = (text: string, span: { start: number; end: number }) =>
    text.slice(0, span.start) + ' '.repeat(span.end - span.start) + text.slice(span.end)
  const text = [...file.comments, ...imports].reduce(blank, file.text)
  const matches = [...text.matchAll(token)]
  return {
    file,
    texts: matches.map(match => match[0]),
    lines: matches.map(match => lineAt(file, match.index)),
  }
}

interface Block {
  readonly line: number
  readonly lines: number
  readonly original: string
}

/** The repeated blocks of one file; what it has for the first time is added to `seen`. */
function blocksOf(tokens: Tokens, seen: Map<string, Start>): Block[] {
  const blocks: Block[] = []
  let end = 0
  for (let index = 0; index + tokensMin <= tokens.texts.length; index++) {
    const isLineStart = tokens.lines[index] !== tokens.lines[index - 1]
    if (!isLineStart || index < end) continue
    const key = tokens.texts.slice(index, index + tokensMin).join(' ')
    const original = seen.get(key)
    if (!original) {
      seen.set(key, { tokens, index })
      continue
    }
    const length = commonLength(original, { tokens, index })
    const line = tokens.lines[index] ?? 1
    const lines = (tokens.lines[index + length - 1] ?? line) - line + 1
    if (length < tokensMin || lines < linesMin) continue
    const originalLine = original.tokens.lines[original.index] ?? 1
    blocks.push({ line, lines, original: `${original.tokens.file.path}:${originalLine}` })
    end = index + length
  }
  return blocks
}

/** How many tokens two places have in common; within one file they do not overlap. */
function commonLength(original: Start, copy: Start): number {
  const isSameFile = original.tokens === copy.tokens
  const max = isSameFile ? copy.index - original.index : Infinity
  let length = 0
  while (length < max) {
    const text = original.tokens.texts[original.index + length]
    if (text === undefined || text !== copy.tokens.texts[copy.index + length]) break
    length++
  }
  return length
}
