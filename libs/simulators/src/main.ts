import { startAlb } from './alb/alb.ts'
import { openWebPages, type WebPages } from './alb/web-pages.ts'
import { startCloudFront } from './cloudfront/cloudfront.ts'
import { startProviders } from './providers/providers.ts'
import { loadRouting } from './routing.ts'
import { readSettings, type Settings } from './settings.ts'
import { startStripe } from './stripe/stripe.ts'

const drainMs = 5_000
const stopDeadlineMs = 10_000
// A laptop has one process of each service: while it starts again, requests wait for it.
const restartWaitMs = 20_000

/** One line of JSON for each event, in the form in which the services write theirs. */
function log(event: Readonly<Record<string, unknown>>): void {
  const line = { time: new Date().toISOString(), service: 'simulators', ...event }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

async function start(settings: Settings): Promise<AsyncDisposableStack> {
  const { host, cloudFrontKeys, invalidationDelayMs } = settings
  const shared = { host, drainMs, log }
  await using stack = new AsyncDisposableStack()
  const providers = stack.use(
    await startProviders({
      ...shared,
      port: settings.providersPort,
      latencyMs: settings.latencyMs,
      replicateSecret: settings.replicateSecret,
    }),
  )
  const cdn = stack.use(
    await startCloudFront({
      ...shared,
      distributionId: 'E1PUBLICASSETS',
      port: settings.cdnPort,
      origin: settings.publicOrigin,
      prefix: 'public/',
      aliases: settings.cdnAliases,
      invalidationDelayMs,
    }),
  )
  const privateCdn = stack.use(
    await startCloudFront({
      ...shared,
      distributionId: 'E2PRIVATEASSETS',
      port: settings.privateCdnPort,
      origin: settings.privateOrigin,
      prefix: 'private/',
      trustedKeys: cloudFrontKeys,
      aliases: settings.privateCdnAliases,
      invalidationDelayMs,
    }),
  )
  const stripe = stack.use(await startStripeIfWanted(settings, shared))
  const { stable, beta } = settings
  const edge = stack.use(
    await startAlb({
      ...shared,
      port: settings.edgePort,
      routing: await loadRouting(),
      waitMs: restartWaitMs,
      stable,
      beta,
      ...webOf(settings),
    }),
  )
  const urls = { edge: edge.url, cdn: cdn.url, privateCdn: privateCdn.url }
  const started = { ...urls, providers: providers.url, stripe: stripe.url }
  log({ event: 'simulators.started', ...started })
  return stack.move()
}

/** The pages of the built web client, or of the server that has them, when there is either. */
function webOf(settings: Settings): { web?: WebPages | string } {
  const { webAddress, webFolder: folder } = settings
  if (folder === undefined) return webAddress === undefined ? {} : { web: webAddress }
  const { host, cdnPort, privateCdnPort, publicOrigin } = settings
  const pictureOrigins = [cdnPort, privateCdnPort].map(port => `http://${host}:${port}`)
  return { web: openWebPages({ folder, pictureOrigins, uploadOrigins: [publicOrigin.endpoint] }) }
}

interface Shared {
  readonly host: string
  readonly drainMs: number
  readonly log: typeof log
}

/** Compose has no port for it; there nobody can buy credits. */
async function startStripeIfWanted(
  { stripePort: port, stripeWebhook: webhook }: Settings,
  shared: Shared,
): Promise<AsyncDisposable & { readonly url?: string }> {
  if (port === undefined) return new AsyncDisposableStack()
  return startStripe({ ...shared, port, ...(webhook !== undefined && { webhook }) })
}

async function main(): Promise<void> {
  const running = await start(readSettings(process.env))
  let isStopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1)
    isStopping = true
    log({ event: 'simulators.stopping', signal })
    setTimeout(() => process.exit(1), stopDeadlineMs).unref()
    running.disposeAsync().then(
      () => log({ event: 'simulators.stopped' }),
      (error: unknown) => fail(error),
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function fail(error: unknown): void {
  log({ event: 'simulators.failed', error: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
}

main().catch(fail)
