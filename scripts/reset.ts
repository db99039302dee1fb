// `npm run reset`: deletes what `npm start` keeps, and nothing while it runs.
import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { localFolders } from './local/folders.ts'
import { endRecordedOrphans, endStoreOrphans } from './local/orphans.ts'
import { Refusal, runScript } from './local/refusal.ts'
import { AlreadyRunning, RunRecord } from './local/run-record.ts'

await runScript(async () => {
  const folders = localFolders(process.env)
  if (!existsSync(folders.local)) return console.log('There is nothing to reset.')
  const record = await takeRecord(folders.local)
  await endRecordedOrphans(record)
  for (const data of [folders.local, folders.outside]) {
    await endStoreOrphans({ postgres: join(data, 'postgres/data'), redis: folders.redisData })
  }
  // The record, which is the lock, goes last.
  const names = (await readdir(folders.local)).filter(name => name !== 'run.json')
  for (const name of names) await rm(join(folders.local, name), { recursive: true, force: true })
  await rm(folders.outside, { recursive: true, force: true })
  await record.release()
  await rm(folders.local, { recursive: true, force: true })
  console.log(`Deleted ${folders.local}: the next start begins anew.`)
})

async function takeRecord(localFolder: string): Promise<RunRecord> {
  try {
    return await RunRecord.take(localFolder)
  } catch (error) {
    if (!(error instanceof AlreadyRunning)) throw error
    throw new Refusal(
      `FunMagic runs from this folder, in process ${error.pid}. End it first (Ctrl-C, or\n` +
        `kill ${error.pid}), then reset: its data would vanish under it.`,
      { cause: error },
    )
  }
}
