import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Folders } from './folders.ts'

type Places = Pick<Folders, 'local' | 'outside'>

/**
 * What root keeps outside the clone belongs to one .local. When that has gone, say because the
 * clone was deleted and made again, its passwords have gone too, and the rest of it goes here.
 */
export async function dropForeignOutside({ local, outside }: Places): Promise<void> {
  if (!existsSync(outside)) return
  const owner = await readIfThere(join(outside, 'owner'))
  if (owner !== (await loadId(local))) await rm(outside, { recursive: true, force: true })
}

export async function claimOutside({ local, outside }: Places): Promise<void> {
  if (existsSync(outside)) await writeFile(join(outside, 'owner'), await loadId(local))
}

async function loadId(local: string): Promise<string> {
  const file = join(local, 'id')
  const known = await readIfThere(file)
  if (known !== undefined) return known
  const id = randomUUID()
  await writeFile(file, id)
  return id
}

async function readIfThere(file: string): Promise<string | undefined> {
  return existsSync(file) ? readFile(file, 'utf8') : undefined
}
