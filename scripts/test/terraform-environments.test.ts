import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Resource, TerraformWorkspace } from './terraform-workspace.ts'

// The ECS switch (requirement I2): each environment as it is configured against the same one
// without Fargate, resource by resource as Terraform plans them.
const readme = readFileSync(join(import.meta.dirname, '../../terraform/README.md'), 'utf8')

t.setTimeout(900_000)
const workspace = await TerraformWorkspace.open()

if (typeof workspace === 'string') {
  t.pass('Terraform', { skip: workspace })
} else {
  t.teardown(() => workspace[Symbol.asyncDispose]())

  for (const [environment, column] of [
    ['staging', 2],
    ['production', 3],
  ] as const) {
    t.test(`turning Fargate on changes nothing in network and data of ${environment}`, async t => {
      await workspace.init(`environments/${environment}`)

      const outcome = await workspace.test(`environments/${environment}`, { isVerbose: true })

      t.same(outcome.faults, [])
      const on = outcome.resources.get('as_configured') ?? []
      const off = outcome.resources.get('with_fargate_off') ?? []
      for (const module of ['network', 'data']) {
        t.ok(partOf(module, off).length > 10, `there is much in ${module}`)
        t.same(partOf(module, on), partOf(module, off), `${module} is planned alike`)
      }
      const services = (of: readonly Resource[]) =>
        of.filter(({ type }) => type === 'aws_ecs_service').length
      t.equal(services(off), 0)
      t.equal(services(on), 6)
      const alarms = on.filter(({ type }) => type === 'aws_cloudwatch_metric_alarm').length
      const named = /^\| Alarms +\| .*: (\d+), (\d+), (\d+) /m.exec(readme)
      t.equal(named?.[column], String(alarms), 'the cost table of terraform/README.md counts them')
    })
  }
}

function partOf(module: string, resources: readonly Resource[]): readonly Resource[] {
  return resources
    .filter(({ address }) => address.startsWith(`module.${module}.`))
    .toSorted((a, b) => a.address.localeCompare(b.address))
}
