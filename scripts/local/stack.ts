import { mkdir } from 'node:fs/promises'
import { applyMigrations } from '@funmagic/database/migrate'
import { plantSeeds } from '../seeds/plant.ts'
import { endRecordedOrphans } from './orphans.ts'
import { requireFreePorts, type PortName } from './ports.ts'
import { step, type Report } from './report.ts'
import { RunRecord } from './run-record.ts'
import { loadSecrets, type Secrets } from './secrets.ts'
import {
  addressOf,
  checkEdge,
  providersAddress,
  serviceNames,
  servicePart,
  servicePorts,
  simulatorsPart,
  type Stores,
} from './service-plans.ts'
import type { LocalSettings } from './settings.ts'
import { removeStackFile, writeStackFile, type Addresses } from './stack-file.ts'
import { startStores, storeNames, storePorts } from './stores.ts'
import { Supervisor, type Part } from './supervisor.ts'
import { until } from './waiting.ts'
import { buildWeb } from './web-build.ts'

export interface StackOptions {
  readonly settings: LocalSettings
  readonly report: Report
  readonly signal: AbortSignal
}

/** The whole system of one clone, on loopback. Disposing it ends everything in order. */
export interface Stack extends AsyncDisposable {
  readonly addresses: Addresses
}

const edgeDeadlineMs = 30_000
const edgePorts: readonly PortName[] = ['edge', 'cdn', 'privateCdn', 'providers', 'stripe']

/** Throws AlreadyRunning, or a Refusal; whatever was started by then is ended again. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { settings, report, signal } = options
  const { folders, ports } = settings
  await using stack = new AsyncDisposableStack()
  const record = await RunRecord.take(folders.local)
  stack.defer(() => record.release())
  await mkdir(folders.logs, { recursive: true, mode: 0o700 })
  const orphans = await endRecordedOrphans(record)
  if (orphans.length > 0) report.tell(`Ended what an earlier start had left: ${orphans.join(', ')}`)

  await requireFreePorts(ports, wantedPorts(settings))
  let publish = async (): Promise<void> => undefined
  const supervisor = new Supervisor({
    report,
    record,
    logsFolder: folders.logs,
    signal,
    onRestart: () => publish(),
  })
  stack.defer(() => endInOrder(supervisor, report))
  const secrets = await loadSecrets(folders.local)
  report.tell('Starting Postgres, Redis and the object store')
  const building = buildWeb(signal)
  // Awaited below, after what may fail before it.
  building.catch(() => undefined)
  const stores = await startStores({ settings, secrets, supervisor, report })
  await prepareDatabase(options, { stores, secrets })
  const webFolder = await step(report, 'The web client is built', () => building)
  const context = { ports, stores, secrets, inherited: settings.inherited }
  await startParts(supervisor, report, [
    ...serviceNames.map(name => servicePart(context, name)),
    simulatorsPart(context, webFolder),
  ])
  await step(report, `The system answers on ${addressOf(ports, 'edge')}`, () =>
    until(() => checkEdge(ports), { deadlineMs: edgeDeadlineMs, signal }),
  )

  const addresses = describeStack({ settings, stores, secrets })
  publish = () => writeStackFile(folders.local, { ...addresses, pids: supervisor.pids() })
  await publish()
  stack.defer(() => removeStackFile(folders.local))
  const owned = stack.move()
  return { addresses, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function wantedPorts({ outside }: LocalSettings): PortName[] {
  return [...edgePorts, ...storePorts(outside), ...Object.values(servicePorts)]
}

async function prepareDatabase(
  { settings, report }: StackOptions,
  { stores, secrets }: { readonly stores: Stores; readonly secrets: Secrets },
): Promise<void> {
  const applied = await step(report, 'The database is migrated', () =>
    applyMigrations(stores.databaseUrl),
  )
  if (applied.length > 0) report.tell(`Migrations applied: ${applied.join(', ')}`)
  await step(report, 'The seeds are planted', () =>
    plantSeeds({
      databaseUrl: stores.databaseUrl,
      secretKey: secrets.secretKey,
      providerKeys: settings.providerKeys,
      simulatorsUrl: providersAddress(settings),
      accounts: secrets.accounts,
    }),
  )
}

async function startParts(
  supervisor: Supervisor,
  report: Report,
  parts: readonly Part[],
): Promise<void> {
  report.tell(`Starting ${serviceNames.join(', ')} and the simulators`)
  // One for each service.
  await Promise.all(
    parts.map(part => step(report, `Ready: ${part.plan.name}`, () => supervisor.start(part))),
  )
}

/**
 * The worker goes first, because the providers that it speaks with stop with the edge; then the
 * edge lets its requests end while the services still live; the stores go last.
 */
async function endInOrder(supervisor: Supervisor, report: Report): Promise<void> {
  await step(report, 'Everything has ended', async () => {
    await supervisor.stop(['provider-worker'])
    await supervisor.stop(['simulators'])
    await supervisor.stop(serviceNames)
    await supervisor.stop(storeNames)
  })
}

interface Described {
  readonly settings: LocalSettings
  readonly stores: Stores
  readonly secrets: Secrets
}

function describeStack({ settings, stores, secrets }: Described): Addresses {
  const { ports } = settings
  const { endpoint, accessKeyId, secretAccessKey } = stores.s3
  const addresses = serviceNames.map(name => [name, addressOf(ports, servicePorts[name])] as const)
  return {
    edge: addressOf(ports, 'edge'),
    cdn: addressOf(ports, 'cdn'),
    privateCdn: addressOf(ports, 'privateCdn'),
    web: addressOf(ports, 'edge'),
    services: Object.fromEntries(addresses),
    providers: addressOf(ports, 'providers'),
    stripe: addressOf(ports, 'stripe'),
    postgres: stores.databaseUrl,
    redisQueue: stores.redis.queue,
    redisCache: stores.redis.cache,
    s3: { endpoint, accessKeyId, secretAccessKey },
    accounts: secrets.accounts,
  }
}
