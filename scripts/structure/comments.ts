import { fail, warn, type Finding, type Rule } from './findings.ts'
import type { SourceFile, Workspace } from './workspace.ts'

const historyWords = new RegExp(
  [
    'previously|formerly|originally|refactored|no longer (used|needed)|we now',
    'now (uses|returns|takes|calls)|the (old|new) (way|code|version|implementation)',
  ]
    .map(words => `\\b(${words})\\b`)
    .join('|'),
  'i',
)
const patterns: readonly { rule: Rule; sign: RegExp; message: string }[] = [
  { rule: 'banner', sign: /(^|\n)[\s*]*([-=*#~_/+])\2{3,}/, message: 'no banners' },
  {
    rule: 'todo',
    sign: /\b(TODO|FIXME|XXX|HACK)\b(?!.*#\d)/,
    message: 'do it, or name the number of its issue',
  },
  { rule: 'emoji', sign: /\p{Emoji_Presentation}/u, message: 'no emoji' },
  {
    rule: 'history',
    sign: historyWords,
    message: 'say how it is; git knows how it was',
  },
  {
    rule: 'praise',
    sign: /\b(comprehensive|robust|seamless|blazing|powerful|elegant(ly)?|cutting-edge)\b/i,
    message: 'say what it does; the reader judges',
  },
]
const code = /^\s*(import .+ from |(const|let) \w+ = |return \w+\(|await \w+\(|if \(.+\) \{)/

/** Smell 17: comments are sentences about why. */
export function checkComments(workspace: Workspace): Finding[] {
  return workspace.files.flatMap(file =>
    file.comments.flatMap(comment => [
      ...patterns
        .filter(({ sign }) => sign.test(comment.value))
        .map(({ rule, message }) => fail(file, comment.start, rule, message)),
      ...checkCode(file, comment),
    ]),
  )
}

function checkCode(
  file: SourceFile,
  comment: { type: string; value: string; start: number },
): Finding[] {
  if (comment.type !== 'Line' || !code.test(comment.value)) return []
  return [warn(file, comment.start, 'commented-code', 'delete it; git keeps it')]
}
