// Loaded with `node --import` before anything else, so that it can instrument what follows.
// OpenTelemetry reads its own OTEL_* variables. Without an exporter among them nothing is
// loaded: traces that nobody reads would cost each process about 50 MB.
const exporterVariables = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
]

const isConfigured = exporterVariables.some(name => {
  const value = process.env[name]
  return value !== undefined && value !== '' && value !== 'none'
})

if (isConfigured && process.env['OTEL_SDK_DISABLED'] !== 'true') await startTelemetry()

async function startTelemetry(): Promise<void> {
  const { register } = await import('import-in-the-middle/register-hooks.mjs')
  register()
  const [{ NodeSDK }, http, pg, redis, undici] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/instrumentation-http'),
    import('@opentelemetry/instrumentation-pg'),
    import('@opentelemetry/instrumentation-ioredis'),
    import('@opentelemetry/instrumentation-undici'),
  ])
  const sdk = new NodeSDK({
    instrumentations: [
      new http.HttpInstrumentation({
        ignoreIncomingRequestHook: request => /^\/(health|metrics)/.test(request.url ?? ''),
      }),
      new pg.PgInstrumentation({ requireParentSpan: true }),
      new redis.IORedisInstrumentation({ requireParentSpan: true }),
      new undici.UndiciInstrumentation(),
    ],
  })
  sdk.start()
  process.once('beforeExit', () => void sdk.shutdown())
}
