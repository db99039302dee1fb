import { globSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { TerraformWorkspace } from './terraform-workspace.ts'

// terraform fmt, validate and test, for every module and every environment.
const terraform = join(import.meta.dirname, '../../terraform')
const roots = ['account', ...globSync('{modules,environments}/*', { cwd: terraform }).sort()]
// The machine is shared with the other tests.
const lanes = 2

t.setTimeout(900_000)
const workspace = await TerraformWorkspace.open()

if (typeof workspace === 'string') {
  t.pass('Terraform', { skip: workspace })
} else {
  t.teardown(() => workspace[Symbol.asyncDispose]())
  t.jobs = lanes

  t.test('every file is formatted as Terraform formats it', async t => {
    const { code, output } = await workspace.format()

    t.equal(code, 0, output)
  })

  for (const root of roots) {
    t.test(`${root} is valid and passes its tests`, { buffered: true }, async t => {
      const init = await workspace.init(root)
      t.equal(init.code, 0, init.output)

      // Terraform validates a module that is given its providers within those who call it.
      if (!['modules/edge', 'modules/observability'].includes(root)) {
        const valid = await workspace.validate(root)
        t.equal(valid.code, 0, valid.output)
      }

      const tested = await workspace.test(root)
      t.same(tested.faults, [])
      t.equal(tested.code, 0, tested.output)
    })
  }
}
