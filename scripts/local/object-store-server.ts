import { mkdirSync } from 'node:fs'
import { isIP } from 'node:net'
import { createObjectServer } from './object-store/object-server.ts'
import { ObjectDisk } from './object-store/object-disk.ts'

/**
 * The S3 server of a development machine as a process: S3_FOLDER, S3_PORT, S3_HOST (loopback
 * unless set), S3_ACCESS_KEY, S3_SECRET_KEY, and S3_BUCKETS to make at the start, comma-separated.
 */
async function main(environment: NodeJS.ProcessEnv): Promise<void> {
  const required = (name: string): string => {
    const value = environment[name]
    if (value === undefined || value === '') throw new Error(`${name} is not set`)
    return value
  }
  const host = environment['S3_HOST'] ?? '127.0.0.1'
  if (isIP(host) === 0) throw new Error(`S3_HOST is not an address: ${host}`)
  const folder = required('S3_FOLDER')
  mkdirSync(folder, { recursive: true })
  const disk = await ObjectDisk.open(folder)
  for (const bucket of required('S3_BUCKETS').split(',')) disk.createBucket(bucket.trim())
  const server = createObjectServer({
    disk,
    key: { accessKeyId: required('S3_ACCESS_KEY'), secretAccessKey: required('S3_SECRET_KEY') },
    onError: error => log('error', error instanceof Error ? (error.stack ?? '') : String(error)),
  })
  server.listen(Number(required('S3_PORT')), host, () => log('info', 'listening'))
  server.on('error', error => {
    log('fatal', error.message)
    process.exit(1)
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      server.close(() => process.exit(0))
      server.closeAllConnections()
    })
  }
}

function log(level: 'info' | 'error' | 'fatal', msg: string): void {
  const levels = { info: 30, error: 50, fatal: 60 }
  const line = { level: levels[level], time: Date.now(), service: 'object-store', msg }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

await main(process.env)
