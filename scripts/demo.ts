// `npm run demo`: the main job on a picture, step by step, with times and addresses. It uses the
// running system, or starts one and ends it. The result is left in .local/demo.
import { join, relative } from 'node:path'
import { writeResultPage } from './demo/result-page.ts'
import { makeScene } from './demo/scene.ts'
import { tellStory } from './demo/story.ts'
import { Refusal, runScript } from './local/refusal.ts'
import { createReport, type Report } from './local/report.ts'
import { findRunning } from './local/run-record.ts'
import { readSettings, type LocalSettings } from './local/settings.ts'
import { findStackFile, type Addresses } from './local/stack-file.ts'
import { startStack } from './local/stack.ts'
import { watchStopRequests } from './local/stop-requests.ts'

const interruptedCode = 130

await runScript(async () => {
  const settings = readSettings(process.env)
  const report = createReport(process.stdout, settings.isColorWanted)
  const signal = watchStopRequests(() => process.exit(interruptedCode))
  await using opened = await openSystem(settings, report, signal)
  const canFail = settings.providerKeys.fal === undefined
  const { addresses } = opened
  const story = await tellStory({ addresses, before: await makeScene(), report, canFail, signal })
  const page = await writeResultPage(join(settings.folders.local, 'demo'), story)
  report.tell(`Everything was as promised. Open ${relative(process.cwd(), page)}`)
})

interface Opened extends AsyncDisposable {
  readonly addresses: Addresses
}

async function openSystem(
  settings: LocalSettings,
  report: Report,
  signal: AbortSignal,
): Promise<Opened> {
  const { local } = settings.folders
  if ((await findRunning(local)) === undefined) return startStack({ settings, report, signal })
  const addresses = await findStackFile(local)
  if (addresses === undefined) {
    throw new Refusal(
      'The local system is still starting. Try again when it says that it is ready.',
    )
  }
  report.tell(`Using the system that runs at ${addresses.edge}`)
  return { addresses, [Symbol.asyncDispose]: async () => undefined }
}
