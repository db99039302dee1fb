import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { explain, loadRouting, matchesPattern } from '../../libs/simulators/src/routing.ts'
import { applySteeringFunction } from './steering-function.ts'
import { elementsOf, type Resource, TerraformWorkspace, valueAt } from './terraform-workspace.ts'

// The listener rules that Terraform really makes, asked as a load balancer asks them, against what
// `explain` says of services/routing.json (requirement G1).
interface Rule {
  readonly number: number
  readonly target: string
  readonly headers: readonly { readonly name: string; readonly texts: readonly string[] }[]
  readonly paths: readonly string[]
}

interface Request {
  readonly path: string
  readonly devMode?: string | undefined
  readonly cookie?: string | undefined
}

const readme = readFileSync(join(import.meta.dirname, '../../terraform/README.md'), 'utf8')

t.setTimeout(600_000)
const workspace = await TerraformWorkspace.open()

if (typeof workspace === 'string') {
  t.pass('Terraform', { skip: workspace })
} else {
  t.teardown(() => workspace[Symbol.asyncDispose]())
  await workspace.init('modules/compute')
  const outcome = await workspace.test('modules/compute', {
    file: 'tests/rules.tftest.hcl',
    isVerbose: true,
  })
  const { rules, token } = readRules(outcome.resources.get('rules') ?? [])
  const routing = await loadRouting()

  const served = (request: Request) => targetOf(rules, { ...request, token })
  const explained = ({ path, devMode, cookie }: Request) => {
    const { service, group } = explain(routing, {
      path,
      headers: { 'x-dev-mode': devMode, cookie },
    })
    return service === undefined ? undefined : `${service}/${group}`
  }

  t.test('Terraform makes the rules from the routing file', async t => {
    t.same(outcome.faults, [])
    t.ok(rules.length >= routing.paths.length * 3, `${rules.length} rules`)
    t.match(readme, `there are ${rules.length} rules of the 100`, 'terraform/README.md counts them')
  })

  t.test(
    'Property: for the cookies that browsers send, the rules do what explain says',
    async t => {
      fc.assert(
        fc.property(pathText(), headerText(), browserCookies(), (path, devMode, cookie) => {
          const request = { path, devMode, cookie }
          assert.equal(served(request), explained(request), JSON.stringify(request))
        }),
        { numRuns: 3_000 },
      )
      t.pass('3,000 requests')
    },
  )

  t.test('Property: behind the edge function, the rules do so for whatever is sent', async t => {
    await fc.assert(
      fc.asyncProperty(pathText(), headerText(), anyCookies(), async (path, devMode, cookie) => {
        const request = { path, devMode, cookie }
        const passed = await applySteeringFunction({ devMode, cookie })
        assert.equal(served({ path, ...passed }), explained(request), JSON.stringify(request))
      }),
      { numRuns: 3_000 },
    )
    t.pass('3,000 requests')
  })

  t.test('a cookie that only looks like the beta cookie goes to the stable group', async t => {
    const cookies = [
      'nox-beta-access=trueish',
      'nox-beta-access=true',
      'x-beta-access=trueish',
      'a=1; nox-beta-access=true; b=2',
      'a=x-beta-access=true',
    ]

    t.equal(served({ path: '/api/tasks', cookie: 'x-beta-access=true' }), 'task-gateway/beta')
    for (const cookie of cookies) {
      t.equal(served({ path: '/api/tasks', cookie }), 'task-gateway/stable', cookie)
    }
  })

  t.test('without the token of CloudFront no rule lets a request through', async t => {
    t.equal(targetOf(rules, { path: '/api/tasks', token: 'another' }), undefined)
  })
}

function readRules(resources: readonly Resource[]): { rules: readonly Rule[]; token: string } {
  const targets = new Map(
    resources
      .filter(({ type }) => type === 'aws_lb_target_group')
      .map(({ address, values }) => [String(valueAt(values, 'arn')), nameOfTarget(address)]),
  )
  const rules = resources
    .filter(({ type }) => type === 'aws_lb_listener_rule')
    .map(({ values }) => {
      const conditions = elementsOf(valueAt(values, 'condition'))
      return {
        number: Number(valueAt(values, 'priority')),
        target: targets.get(String(valueAt(values, 'action', 0, 'target_group_arn'))) ?? 'unknown',
        headers: conditions.flatMap(condition =>
          elementsOf(valueAt(condition, 'http_header')).map(header => ({
            name: String(valueAt(header, 'http_header_name')).toLowerCase(),
            texts: elementsOf(valueAt(header, 'values')).map(String),
          })),
        ),
        paths: conditions.flatMap(condition =>
          elementsOf(valueAt(condition, 'path_pattern', 0, 'values')).map(String),
        ),
      }
    })
    .toSorted((a, b) => a.number - b.number)
  const password = resources.find(({ address }) => address === 'random_password.origin_token')
  return { rules, token: String(valueAt(password?.values, 'result')) }
}

/** aws_lb_target_group.beta["asset"] is asset/beta. */
function nameOfTarget(address: string): string {
  const [, group, service] = /\.(\w+)\["([\w-]+)"\]$/.exec(address) ?? []
  return `${service}/${group}`
}

/** What a load balancer does: the first rule all of whose conditions have a text that matches. */
function targetOf(rules: readonly Rule[], request: Request & { token: string }) {
  const path = request.path.split('?', 1)[0] ?? ''
  const headers: Record<string, string | undefined> = {
    'x-origin-token': request.token,
    'x-dev-mode': request.devMode,
    cookie: request.cookie,
  }
  const found = rules.find(
    rule =>
      rule.paths.some(pattern => matchesPattern(pattern, path)) &&
      rule.headers.every(({ name, texts }) => {
        const value = headers[name]
        // AWS: header values are compared without regard to case, paths with it.
        return texts.some(
          text => value !== undefined && matchesPattern(text.toLowerCase(), value.toLowerCase()),
        )
      }),
  )
  return found?.target
}

function pathText(): fc.Arbitrary<string> {
  const known = routingPaths()
  const noise = fc.stringMatching(/^\/[a-z/.-]{0,20}(\?x=1)?$/)
  return fc.oneof(fc.constantFrom(...known), noise)
}

function routingPaths(): string[] {
  return [
    '/api/auth/sign-in/email',
    '/api/assets',
    '/api/assets/1/publish?now=1',
    '/api/credits/balance',
    '/api/admin/credits/adjust',
    '/api/admin/users',
    '/api/tasks',
    '/api/tasks/1',
    '/api/tasks/1/stream',
    '/api/tasks/1/streams',
    '/api/progress/ws',
    '/api/tools/figme',
    '/api/quotes',
    '/API/tasks',
    '/health',
    '/',
  ]
}

function headerText(): fc.Arbitrary<string | undefined> {
  return fc.constantFrom(undefined, 'true', 'TRUE', 'True', 'truely', 'false', '1', 'xtrue')
}

const token = fc.stringMatching(/^[a-z0-9!#$&'.^_`|~-]{1,12}$/)
const text = fc.stringMatching(/^[a-zA-Z0-9!#$&'()./:<=>@[\]^_`{|}~-]{0,12}$/)
const near = fc.constantFrom<[string, string][]>(
  ['x-beta-access', 'true'],
  ['x-beta-access', 'trueish'],
  ['x-beta-access', 'false'],
  ['x-beta-access', ''],
  ['nox-beta-access', 'true'],
  ['nox-beta-access', 'trueish'],
  ['a', 'x-beta-access=true'],
)

/** RFC 6265 §4.2.1: pairs with one semicolon and one space between them. */
function browserCookies(): fc.Arbitrary<string | undefined> {
  const pairs = fc.array(fc.oneof(near, fc.tuple(token, text)), { minLength: 1, maxLength: 6 })
  const header = pairs.map(list => list.map(([name, value]) => `${name}=${value}`).join('; '))
  return fc.option(header, { nil: undefined })
}

/** Besides, what no browser sends: other spacing, other case, no equals sign. */
function anyCookies(): fc.Arbitrary<string | undefined> {
  const odd = fc.constantFrom(
    'X-Beta-Access=true',
    'x-beta-access=TRUE',
    ' x-beta-access=true ',
    'x-beta-access',
    'x-beta-access=true x',
    '',
  )
  const pair = fc.oneof(near, fc.tuple(token, text)).map(([name, value]) => `${name}=${value}`)
  const glue = fc.constantFrom('; ', ';', ' ;  ')
  return fc
    .tuple(fc.array(fc.oneof(odd, pair), { maxLength: 6 }), glue)
    .map(([list, between]) => list.join(between))
}
