import { partsTicketLifeSeconds } from '@funmagic/asset/uploads'
import { ToolStep } from '@funmagic/contract/tool'
import t from 'tap'
import { AssetConfig } from '../src/config.ts'

t.test('no setting lets bytes go that a ticket or a task may still claim', async t => {
  const { graceSeconds } = AssetConfig.properties.reconciliation.properties
  const stepSecondsMax = Reflect.get(ToolStep.properties.timeoutSeconds, 'maximum')
  const hour = 3_600

  const shortest = Number(Reflect.get(graceSeconds, 'minimum'))

  t.ok(shortest >= partsTicketLifeSeconds + 2 * hour, 'a completion at the end of a ticket')
  t.ok(shortest >= Number(stepSecondsMax) + 2 * hour, 'the last try of a step')
  t.equal(Reflect.get(graceSeconds, 'default'), 48 * hour)
})
