import { startProviders } from '@funmagic/simulators/providers'

// A process of its own, as a provider is: the checks of libs/asset forbid the pictures' library
// to read SVG in their whole process, and the simulators paint with SVG.
const { url } = await startProviders({ latencyMs: Number(process.argv[2]), drainMs: 0 })
process.stdout.write(`${url}\n`)
// The pipe closes when the test's process is gone, however that went.
process.stdin.on('end', () => process.exit(0)).resume()
