/** What a migration consists of, as far as the rules need to know it. */
export interface Script {
  /** Without comments, with the contents of strings and function bodies left out. */
  readonly statements: readonly string[]
  /** The text of each `--` comment. */
  readonly comments: readonly string[]
}

/**
 * One token at a time: a comment, a string (E'' with its escapes), a quoted name, a dollar-quoted
 * body, or a run of anything else (PostgreSQL manual §4.1, "Lexical Structure").
 */
const token = new RegExp(
  [
    /--(?<comment>[^\n]*)/,
    /\/\*[\s\S]*?\*\//,
    /(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'/,
    /'(?<text>(?:[^']|'')*)'/,
    /"(?<name>(?:[^"]|"")*)"/,
    /\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$/,
    /(?<end>;)/,
    /[^'"$;/eE-]+/,
    /[\s\S]/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
)

/** Cuts a script into statements. Names keep their quotes, so that one called "drop" is a name. */
export function readScript(source: string): Script {
  const statements: string[] = []
  const comments: string[] = []
  let current = ''
  for (const { 0: whole, groups = {} } of source.matchAll(token)) {
    if (groups['comment'] !== undefined) comments.push(groups['comment'].trim())
    if (groups['end'] !== undefined) {
      statements.push(current)
      current = ''
    } else {
      current += keptOf(whole, groups)
    }
  }
  const texts = [...statements, current].map(text => text.replaceAll(/\s+/g, ' ').trim())
  return { statements: texts.filter(text => text !== ''), comments }
}

function keptOf(whole: string, groups: Readonly<Record<string, string | undefined>>): string {
  if (groups['text'] !== undefined) return shortSetting.test(groups['text']) ? whole : `''`
  if (groups['name'] !== undefined) return whole
  if (groups['tag'] !== undefined || /^[eE]'/.test(whole)) return `''`
  return whole.startsWith('--') || whole.startsWith('/*') ? ' ' : whole
}

/** Of the strings only durations are kept: the rules want to read that of lock_timeout. */
const shortSetting = /^\d+ *(ms|s|min)?$/
