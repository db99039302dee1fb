import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createdTable, rules, type Fault, type Migration } from './rules.ts'
import { readScript } from './statements.ts'

export interface MigrationFault extends Fault {
  readonly migration: string
}

export interface MigrationReport {
  readonly checked: number
  readonly findings: readonly MigrationFault[]
}

/**
 * The last migration before anything was deployed. Up to it no running release has to bear a
 * change; every later one must leave the release before it working (reliability §1.6).
 */
const lastBeforeRelease = '20261121010000_uploads_cleared'

const contractMark = /^contract since (\d+\.\d+\.\d+): \S.{9,}/i

/** Reads the migrations in a folder of Prisma's form and holds the newer ones to every rule. */
export async function checkMigrations(
  folder: string,
  since: string = lastBeforeRelease,
): Promise<MigrationReport> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
  const newer = names.filter(name => name > since).sort()
  const findings: MigrationFault[] = []
  for (const migration of newer) {
    const source = await readFile(join(folder, migration, 'migration.sql'), 'utf8')
    findings.push(...checkMigration(source).map(fault => ({ migration, ...fault })))
  }
  return { checked: newer.length, findings }
}

/** Holds the text of one migration to every rule. */
export function checkMigration(source: string): Fault[] {
  const script = readScript(source)
  const created = script.statements.map(createdTable).filter(name => name !== undefined)
  const marks = script.comments.map(comment => contractMark.exec(comment)?.[1])
  const migration: Migration = {
    ...script,
    newTables: new Set(created),
    contractSince: marks.find(release => release !== undefined),
  }
  return rules.flatMap(rule => rule(migration))
}
