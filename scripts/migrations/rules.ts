import type { Script } from './statements.ts'

export interface Fault {
  readonly rule: string
  readonly message: string
}

/** A migration, and what it makes itself: nothing that runs knows a new table yet. */
export interface Migration extends Script {
  readonly newTables: ReadonlySet<string>
  /** The release since which nothing uses what this migration removes, where it says so. */
  readonly contractSince: string | undefined
}

const lockTimeoutMaxMs = 5_000

/** Each rule is in docs/migrations.md, with what to do instead. */
export const rules: readonly ((migration: Migration) => Fault[])[] = [
  checkDrops,
  checkRenames,
  checkNotNull,
  checkTypes,
  checkIndexes,
  checkConstraints,
  checkRewrites,
  checkLockTimeout,
  checkContractMark,
]

/** The table that the statement alters or indexes; undefined for one that it does not touch. */
function alteredTable(statement: string): string | undefined {
  const alter = /^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?([\w."]+)/i.exec(statement)
  const index = /^CREATE (?:UNIQUE )?INDEX .*? ?ON (?:ONLY )?([\w."]+)/i.exec(statement)
  const trigger = /^CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*? ON ([\w."]+)/i.exec(
    statement,
  )
  const name = (alter ?? index ?? trigger)?.[1]
  return name === undefined ? undefined : plainName(name)
}

/** The table that the statement creates. */
export function createdTable(statement: string): string | undefined {
  const created = /^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?([\w."]+)/i.exec(statement)
  return created?.[1] === undefined ? undefined : plainName(created[1])
}

function plainName(name: string): string {
  return name
    .replaceAll('"', '')
    .replace(/^public\./, '')
    .toLowerCase()
}

const droppedObject = /^(DROP (TABLE|TYPE|SCHEMA|VIEW|FUNCTION|SEQUENCE)|TRUNCATE)\b/i
const droppedColumn =
  /^ALTER TABLE .*\bDROP (?!(DEFAULT|NOT NULL|CONSTRAINT|EXPRESSION|IDENTITY)\b)/i

function checkDrops({ statements, contractSince }: Migration): Fault[] {
  if (contractSince !== undefined) return []
  const why = 'the release before this one still uses what is removed'
  return [droppedObject, droppedColumn].flatMap(drop =>
    faults(statements, drop, { rule: 'drop', why }),
  )
}

function checkRenames({ statements }: Migration): Fault[] {
  const rename = /^ALTER \w+ (IF EXISTS )?(ONLY )?[\w."]+ (RENAME|SET SCHEMA)\b/i
  const why = 'one of two releases knows only one of the names: add, copy, then remove'
  return faults(statements, rename, { rule: 'rename', why })
}

function checkNotNull(migration: Migration): Fault[] {
  const existing = onExistingTables(migration)
  const added = /\bADD (?:COLUMN )?(?!CONSTRAINT\b)(?:IF NOT EXISTS )?"?\w+"? [^,]*\bNOT NULL\b/gi
  const isFilled = /\bDEFAULT\b|\bGENERATED\b/i
  const without = existing.filter(text =>
    [...text.matchAll(added)].some(([clause]) => !isFilled.test(clauseAround({ text, clause }))),
  )
  const required = migration.contractSince === undefined ? existing : []
  return [
    ...faults(without, /./, {
      rule: 'not-null',
      why: 'the release before this one writes rows without it',
    }),
    ...faults(required, /\bALTER (COLUMN )?"?\w+"? SET NOT NULL\b/i, {
      rule: 'not-null',
      why: 'the release before this one may write nulls: a contract step, after a validated CHECK',
    }),
  ]
}

/** The clause to its end: NOT NULL may come before its DEFAULT. */
function clauseAround({ text, clause }: { text: string; clause: string }): string {
  const from = text.indexOf(clause)
  const end = text.indexOf(',', from + clause.length)
  return text.slice(from, end < 0 ? undefined : end)
}

function checkTypes(migration: Migration): Fault[] {
  const type = /\bALTER (COLUMN )?"?\w+"? (SET DATA )?TYPE\b/i
  const why = 'rewrites the table under a lock: add a column of the new type, copy, then remove'
  return faults(onExistingTables(migration), type, { rule: 'type', why })
}

function checkIndexes(migration: Migration): Fault[] {
  const existing = onExistingTables(migration)
  const plain = /^CREATE (UNIQUE )?INDEX (?!CONCURRENTLY\b)/i
  const concurrent = /^(CREATE (UNIQUE )?INDEX|DROP INDEX|REINDEX \w+) CONCURRENTLY\b/i
  const isMixed = migration.statements.length > 1
  return [
    ...faults(existing, plain, {
      rule: 'index',
      why: 'stops every write: CREATE INDEX CONCURRENTLY',
    }),
    ...faults(migration.statements, /^(DROP INDEX|REINDEX \w+) (?!CONCURRENTLY\b)/i, {
      rule: 'index',
      why: 'stops every read: do it CONCURRENTLY',
    }),
    ...faults(isMixed ? migration.statements : [], concurrent, {
      rule: 'index-alone',
      why: 'cannot run in a transaction: it must be the only statement of its migration',
    }),
  ]
}

function checkConstraints(migration: Migration): Fault[] {
  const added = /\bADD (CONSTRAINT "?\w+"? )?(FOREIGN KEY|CHECK)\b(?!.*\bNOT VALID\b)/i
  const unique = /\bADD (CONSTRAINT "?\w+"? )?(UNIQUE|PRIMARY KEY)\b(?!.*\bUSING INDEX\b)/i
  const existing = onExistingTables(migration)
  return [
    ...faults(existing, added, {
      rule: 'constraint',
      why: 'add it NOT VALID, VALIDATE it in the next migration',
    }),
    ...faults(existing, unique, {
      rule: 'constraint',
      why: 'build the index CONCURRENTLY, then USING INDEX',
    }),
  ]
}

const volatileDefault =
  /\bADD COLUMN\b.*\bDEFAULT \(?(gen_random_uuid|uuidv[47]|random|clock_timestamp|nextval)\b/i
const filledColumn = /\bADD COLUMN\b[^,]*\b((BIG|SMALL)?SERIAL|GENERATED ALWAYS AS \(.*STORED)\b/i

function checkRewrites(migration: Migration): Fault[] {
  const why = 'rewrites the table under a lock: add it empty and fill it in small steps'
  return [volatileDefault, filledColumn].flatMap(pattern =>
    faults(onExistingTables(migration), pattern, { rule: 'rewrite', why }),
  )
}

function checkLockTimeout(migration: Migration): Fault[] {
  const isAlone = migration.statements.length === 1
  const [first = ''] = migration.statements
  if (isAlone && /CONCURRENTLY/i.test(first)) return []
  if (onExistingTables(migration).length === 0) return []
  const set = /^SET (?:LOCAL )?lock_timeout (?:=|TO) '?(\d+) *(ms|s|min)?'?$/i.exec(first)
  const [, amount, unit = 'ms'] = set ?? []
  const unitMs: Record<string, number> = { ms: 1, s: 1_000, min: 60_000 }
  const timeoutMs = Number(amount) * (unitMs[unit.toLowerCase()] ?? Number.NaN)
  if (timeoutMs > 0 && timeoutMs <= lockTimeoutMaxMs) return []
  const message = `begin with SET lock_timeout = '3s' (at most ${lockTimeoutMaxMs} ms)`
  return [{ rule: 'lock-timeout', message }]
}

/** A mark that does not name its release opens nothing, and is told so. */
function checkContractMark({ comments, contractSince }: Migration): Fault[] {
  const isMeant = comments.some(comment => /^contract\b/i.test(comment))
  if (!isMeant || contractSince !== undefined) return []
  const message = 'write "-- contract since 1.4.0: what nothing uses any more, and why"'
  return [{ rule: 'contract', message }]
}

function onExistingTables({ statements, newTables }: Migration): string[] {
  return statements.filter(statement => {
    const table = alteredTable(statement)
    return table !== undefined && !newTables.has(table)
  })
}

function faults(
  statements: readonly string[],
  pattern: RegExp,
  { rule, why }: { rule: string; why: string },
): Fault[] {
  return statements
    .filter(statement => pattern.test(statement))
    .map(statement => ({ rule, message: `${why}: ${shorten(statement)}` }))
}

function shorten(statement: string): string {
  return statement.length > 80 ? `${statement.slice(0, 79)}…` : statement
}
